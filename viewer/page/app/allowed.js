// What the recorded page may load.

/** Origins whose images, styles and fonts the server lets the stage load: they stand in its policy. */
export async function allowedOrigins() {
  const answer = await fetch("/page/stage.html", { method: "GET", cache: "force-cache" });
  const policy = answer.headers.get("content-security-policy") ?? "";
  const images =
    policy
      .split(";")
      .map((one) => one.trim().split(/\s+/))
      .find(([name]) => name === "img-src") ?? [];
  return images.filter((one) => /^https?:\/\//.test(one)).map((one) => new URL(one).origin);
}
