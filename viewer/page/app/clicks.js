// Where visitors clicked on a page: their clicks over a picture of it from one replay, and the elements as a table.

import { allowedOrigins } from "./allowed.js";
import { api } from "./api.js";
import { explorerAddress, go, nothingChosen, pair, sessionAddress, splitPair } from "./address.js";
import { h, icon, show } from "./dom.js";
import { appName, count, counted, fullTime } from "./format.js";
import { wantStyle } from "./styles.js";
import { t } from "./texts.js";

const PAGE = "view_path_group";
const PAGES = 100;
const CELLS = 20; // along each side of an element
const SETTLE_MS = 400; // for styles of the picture
const LARGEST = 28; // px of a dot

export class Clicks {
  constructor(explorer) {
    this.explorer = explorer;
    this.total = h("p", { class: "total", role: "status" });
    this.pageChoice = h("select", { class: "input page-choice", "aria-label": t`Page`, onchange: () => this.choose(this.pageChoice.value) });
    const each = h("button", { class: "button", type: "button", title: t`Each action (m)`, onclick: () => explorer.switchTo("actions") }, icon("list"), t`Each action`);
    this.head = h("div", { class: "bar-row" }, this.total, this.pageChoice, explorer.filterButton, explorer.chips, h("span", { class: "grow" }), each);
    this.note = h("p", { class: "hint" });
    this.picture = h("div", { class: "click-picture" });
    this.table = h("div", { class: "card numbers-card click-table", tabindex: 0, role: "region", "aria-label": t`Elements that were clicked` });
    this.element = h("section", { class: "results whole" }, this.head, this.note, h("div", { class: "click-map" }, this.picture, this.table));
    this.observer = new ResizeObserver(() => this.place());
    this.observer.observe(this.picture);
  }

  keys() {
    return [{ keys: ["m"], does: t`each action`, run: () => this.explorer.switchTo("actions") }];
  }

  leave() {
    this.observer.disconnect();
    this.stage?.close();
  }

  redraw(state) {
    this.state = state;
  }

  /** The page is a filter like any other. */
  choose(page) {
    const is = [...this.state.is.filter((one) => splitPair(one)[0] !== PAGE), pair(PAGE, page)];
    go(explorerAddress({ ...this.state, is, app: this.app, cursor: "" }));
  }

  async read(state, query, signal) {
    this.state = state;
    await wantStyle("overview");
    this.app = state.app || this.explorer.apps[0].app_id;
    const pages = await this.pages(query, signal);
    const chosen = splitPair(state.is.find((one) => splitPair(one)[0] === PAGE) ?? "")[1] || pages[0]?.value;
    this.drawn = null;
    show(this.picture);
    show(
      this.pageChoice,
      pages.map(({ value, count: number }) => h("option", { value }, `${value} (${count(number)})`)),
      pages.some(({ value }) => value === chosen) ? null : h("option", { value: chosen ?? "" }, chosen ?? "–"),
    );
    this.pageChoice.value = chosen ?? "";
    if (!chosen) {
      this.total.textContent = counted(0, t`click`, t`clicks`);
      this.note.textContent = t`No clicks of this application in this time.`;
      return show(this.table);
    }
    const found = await api.list("actions/clicks", query({ app: this.app, page: chosen }), signal);
    this.total.textContent = counted(found.total, t`click`, t`clicks`);
    this.elements = found.elements;
    this.tell(found);
    show(this.table, this.rows(found));
    if (found.picture && found.elements.length) await this.draw(found.picture, signal);
  }

  async pages(query, signal) {
    const wanted = query({ app: this.app, columns: PAGE, top: PAGES, own: "false" });
    wanted.append("is", pair("action_type", "click"));
    const { facets } = await api.facets("actions", wanted, signal);
    return facets[PAGE].filter(({ value }) => value !== null);
  }

  /** What the picture is, and what is not on it. */
  tell({ picture, without }) {
    const which = picture && { app: picture.app_id, id: picture.session_id, part: picture.session_part || null };
    const source = which ? h("a", { href: sessionAddress({ ...which, tab: "replay", at: picture.time }), "data-inside": true }, fullTime(picture.time)) : null;
    show(this.note, [appName(this.app), source ? [" · ", t`Picture from the replay of`, " ", source] : [" · ", t`No replay shows this page.`], without ? ` · ${t`Without an element: ${count(without)}`}` : ""].flat());
  }

  rows({ elements, page }) {
    const heads = [t`Element`, t`Clicks`, t`Sessions`, t`Frustrations`];
    const number = (value) => h("td", { class: "number" }, count(value));
    const line = (one) => {
      const named = { ...nothingChosen("actions"), app: this.app, range: this.state.range, from: this.state.from, to: this.state.to, is: [pair(PAGE, page), pair("action_name", one.name ?? "")] };
      const words = h("a", { href: explorerAddress(named), "data-inside": true }, one.name || t`(no name)`);
      const row = h("tr", {}, h("th", { scope: "row" }, words, h("div", { class: "hint selector", title: one.selector }, one.selector)), number(one.count), number(one.sessions), number(one.frustrated));
      row.addEventListener("pointerenter", () => this.point(one, true));
      row.addEventListener("pointerleave", () => this.point(one, false));
      return row;
    };
    const head = h(
      "tr",
      {},
      heads.map((words, place) => h("th", { scope: "col", class: place ? "number" : null }, words)),
    );
    return h("table", {}, h("thead", {}, head), h("tbody", {}, elements.map(line)));
  }

  /** The page as it stood in the replay, as long as it is, and the clicks over it. */
  async draw(picture, signal) {
    const which = { app: picture.app_id, id: picture.session_id };
    const [{ tracks }, allowed] = await Promise.all([api.replay(which), allowedOrigins()]);
    const holds = (track) => track.start_ms <= picture.time && picture.time <= track.end_ms;
    const track = tracks.find((one) => holds(one) && one.views.some((view) => view.view_id === picture.view_id)) ?? tracks.find(holds);
    if (!track || signal.aborted) return show(this.picture, h("p", { class: "empty" }, t`No replay shows this page.`));
    const chunk = track.chunks.findLast((one) => one.start_ms <= picture.time) ?? track.chunks[0];
    const frame = h("iframe", { class: "stage", src: "/page/stage.html", title: t`Recorded page`, tabindex: -1 });
    this.overlay = h("div", { class: "click-overlay", "aria-hidden": "true" });
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
    show(this.picture, h("div", { class: "click-sheet" }, frame, this.overlay));
    const [text] = await Promise.all([api.events(which, track.track, chunk.chunk), loaded]);
    if (signal.aborted) return;
    this.stage = frame.contentWindow.stage;
    this.stage.open({ start: track.start_ms, end: track.end_ms, text, speed: 1, allowed, on: { finish() {} } });
    this.stage.pause(picture.time);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (signal.aborted) return;
    const size = this.stage.whole();
    this.drawn = { frame, size, boxes: this.stage.boxes(this.elements.map(({ selector }) => selector)) };
    this.place();
  }

  /** Everything to the width that there is. */
  place() {
    if (!this.drawn) return;
    const { frame, size, boxes } = this.drawn;
    const scale = this.picture.clientWidth / size.width;
    frame.style.height = `${size.height * scale}px`;
    const most = Math.max(...this.elements.flatMap(({ points }) => points.map((one) => one.count)), 1);
    this.marks = new Map();
    show(
      this.overlay,
      this.elements.map((one, place) => (boxes[place] ? this.mark(one, boxes[place], scale, most) : null)),
    );
  }

  mark(one, box, scale, most) {
    const style = { left: box.left, top: box.top, width: box.width, height: box.height };
    const outline = h(
      "div",
      { class: one.frustrated ? "click-box frustrated" : "click-box", style: Object.fromEntries(Object.entries(style).map(([name, px]) => [name, `${px * scale}px`])) },
      h("span", { class: "click-count" }, count(one.count)),
    );
    outline.classList.toggle("current", one.selector === this.pointed);
    this.marks.set(one.selector, outline);
    const dots = one.points.map(({ x, y, count: number }) => {
      const size = Math.max(8, LARGEST * Math.sqrt(number / most));
      const at = (cell, from, length) => `${(from + (cell === null ? 0.5 : (cell + 0.5) / CELLS) * length) * scale - size / 2}px`;
      return h("div", { class: "click-dot", style: { left: at(x, box.left, box.width), top: at(y, box.top, box.height), width: `${size}px`, height: `${size}px` } });
    });
    return [outline, ...dots];
  }

  /** A row under the pointer shows its element, also when the picture comes or changes its size meanwhile. */
  point(one, isOn) {
    this.pointed = isOn ? one.selector : null;
    const mark = this.marks?.get(one.selector);
    mark?.classList.toggle("current", isOn);
    if (isOn) mark?.scrollIntoView({ block: "nearest" });
  }
}
