// Style sheets that not every view needs, fetched when one is first wanted.

const wanted = new Map();

/** Resolves when the sheet of that name is in force. */
export function wantStyle(name) {
  if (!wanted.has(name)) wanted.set(name, load(name));
  return wanted.get(name);
}

function load(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = `/page/style/${name}.css`;
  return new Promise((resolve) => {
    link.onload = resolve;
    link.onerror = resolve; // ugly, but readable
    document.head.append(link);
  });
}
