// No sessions: whether there is a lake at all, and how the first ones get into it.

import { account } from "./account.js";
import { sessionAddress } from "./address.js";
import { api, ApiError } from "./api.js";
import { copy, h, icon, show } from "./dom.js";
import { bindKeys } from "./keys.js";
import { t } from "./texts.js";

const LOOK_MS = 5000;

export class EmptyLake {
  /** `lake`: what the API says of it; `filled()` is called when there are sessions. */
  constructor(page, lake, filled) {
    this.page = page;
    this.filled = filled;
    bindKeys([{ keys: ["r"], does: t`look again`, run: () => this.look() }]);
    document.title = "Replay Lake";
    this.live = h("p", { class: "actions", role: "status" });
    this.draw(lake);
    this.look();
  }

  accepts() {
    return false; // what the address says does not matter yet
  }

  update() {}

  leave() {
    this.isLeft = true;
    clearTimeout(this.timer);
  }

  draw(lake) {
    this.lake = lake;
    const where = lake.where ?? "LAKE";
    const parts = { none: nothingThere, empty: nothingYet, filled: notYours }[lake.state](where, lake.where);
    const again = h("button", { class: "button primary", type: "button", onclick: () => this.look() }, t`Look again`);
    show(
      this.page,
      h("header", { class: "top" }, h("span", { class: "brand" }, h("img", { src: "/page/icon.svg", alt: "", width: 22, height: 22 }), "Replay Lake"), h("span", { class: "grow" }), account()),
      h("main", { class: "notice broad" }, parts, this.live, h("p", { class: "actions" }, again, h("span", { class: "hint", role: "status" }, t`This page looks every 5 s by itself.`))),
    );
  }

  async look() {
    clearTimeout(this.timer);
    try {
      const [{ apps }, lake, { sessions }] = await Promise.all([api.apps(), api.lake(), api.live({})]);
      if (this.isLeft) return;
      if (apps.length) return this.filled();
      show(
        this.live,
        sessions.length
          ? [
              t`Going on right now: `,
              sessions.slice(0, 5).map((one) => h("a", { class: "button", href: sessionAddress({ app: one.app_id, id: one.session_id }), "data-inside": true }, one.user_name || one.userid || one.view_url || one.session_id)),
            ]
          : [],
      );
      if (lake.state !== this.lake.state) this.draw(lake);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 401) return this.filled(); // which shows what is wrong
    }
    this.timer = setTimeout(() => this.look(), LOOK_MS);
  }
}

function nothingThere(where, isKnown) {
  return [
    h("h1", {}, t`No lake here`),
    h(
      "p",
      {},
      isKnown
        ? [t`Nothing of a lake is at `, h("code", {}, where), t`: a wrong name, a wrong bucket or prefix, or a disk that is not mounted.`]
        : t`Nothing of a lake is where this server looks: a wrong name, a wrong bucket or prefix, or a disk that is not mounted.`,
    ),
    h("p", {}, t`The server reads the lake of its --lake or of the setting lake. If the name is right, a job makes the lake:`),
    ...ways(where),
  ];
}

function nothingYet(where, isKnown) {
  return [
    h("h1", {}, t`A lake without sessions`),
    h(
      "p",
      {},
      isKnown
        ? [t`The lake at `, h("code", {}, where), t` is there, and no session is in it yet. A session appears when it has ended: 15 minutes after its last sign of life.`]
        : t`The lake is there, and no session is in it yet. A session appears when it has ended: 15 minutes after its last sign of life.`,
    ),
    h("p", {}, t`This is how the first ones get into it:`),
    ...ways(where),
  ];
}

function notYours() {
  return [h("h1", {}, t`No sessions for you`), h("p", {}, t`There are sessions in this lake, but none of the applications that you may see. Whoever runs this server decides that.`)];
}

function ways(where) {
  const lake = /^[\w@%+=:,./-]+$/.test(where) ? where : `'${where.replaceAll("'", "'\\''")}'`;
  return [
    way(t`To try: recordings that come with the source`, `replaylake backfill samples/*/*.jsonl.gz --lake ${lake}`),
    way(t`From Kafka: the job`, `replaylake run --lake ${lake}`),
    way(t`Into Kafka: what the SDK of your site sends, by this service`, "replaylake intake"),
    way(t`In the site: for example Datadog's SDK, with replay`, `datadogRum.init({\n  applicationId: "my-app",\n  clientToken: "any",\n  proxy: "https://intake.example/proxy",\n  sessionReplaySampleRate: 100,\n});`),
  ];
}

function way(title, text) {
  return h(
    "section",
    { class: "way" },
    h("h2", {}, title),
    h("pre", { class: "setting", tabindex: 0 }, text),
    h("button", { type: "button", class: "button plain small", "aria-label": t`Copy: ${title}`, onclick: () => copy(text) }, icon("copy")),
  );
}
