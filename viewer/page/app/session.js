// One session: its head, and the tabs replay, timeline, pages, properties.

import { account } from "./account.js";
import { allowedOrigins } from "./allowed.js";
import { api, ApiError } from "./api.js";
import { explorerAddress, go, nothingChosen, pair, sessionAddress, sessionState } from "./address.js";
import { announce, copy, h, icon, show } from "./dom.js";
import { KINDS, makeEntries } from "./entries.js";
import { appName, counted, durationNs, fullTime, NS_PER_MS, position } from "./format.js";
import { bindKeys, showHelp } from "./keys.js";
import { LISTS } from "./lists.js";
import { Pages } from "./pages.js";
import { Player } from "./player.js";
import { properties } from "./properties.js";
import { settings } from "./settings.js";
import { t } from "./texts.js";
import { Timeline } from "./timeline.js";

const TABS = { replay: t`Replay`, timeline: t`Timeline`, pages: t`Pages`, properties: t`Properties` };
const LINK_SECONDS = 86_400;
const LEAD_MS = 1000; // playing begins a second before what it goes to

export class SessionPage {
  /** `known`: columns of each list by name, and of all together. */
  constructor(page, known, fail) {
    this.page = page;
    this.tables = known.tables;
    this.fields = known.all;
    this.groups = known.groups;
    this.fail = fail;
    bindKeys(this.keys());
  }

  accepts(wanted) {
    return Boolean(wanted && this.which && wanted.app === this.which.app && wanted.id === this.which.id);
  }

  leave() {
    this.isLeft = true;
    this.player?.leave();
  }

  async update(wanted) {
    const isFirst = !this.which;
    this.state = wanted;
    if (isFirst) await this.read(wanted);
    if (this.isLeft) return;
    this.openPart();
    this.openTab(isFirst);
  }

  async read({ app, id }) {
    this.which = { app, id };
    show(this.page, h("main", { class: "notice", "aria-busy": "true" }, t`Loading …`));
    const optional = (promise, otherwise) => promise.catch((error) => (error instanceof ApiError && error.status === 404 ? otherwise : Promise.reject(error)));
    const [session, timeline, replay] = await Promise.all([api.session(this.which), optional(api.timeline(this.which), {}), optional(api.replay(this.which), { live: false, tracks: [], notes: [], missing: [] })]);
    if (this.isLeft) return;
    this.take(session, timeline, replay);
    const starts = [this.windows[0]?.start, ...(this.windows.length ? [] : replay.tracks.map((track) => track.start_ms))].filter((ms) => typeof ms === "number");
    this.epoch = Math.min(...(starts.length ? starts : [Date.now()]));
    this.build();
  }

  take(session, timeline, replay) {
    this.windows = [...session.windows].sort((a, b) => a.session_part - b.session_part);
    this.isLive = session.live || replay.live;
    this.replay = replay;
    this.entries = makeEntries(timeline, replay.tracks);
    this.hasReplay = replay.tracks.some((track) => track.chunks.length);
  }

  /** A session that goes on: when its replay has grown, or it has closed, everything about it is read again. */
  async follow() {
    const replay = await api.replay(this.which);
    const size = ({ live, tracks }) => JSON.stringify([live, tracks.map(({ end_ms, chunks }) => [end_ms, chunks.length, chunks.at(-1)?.raw_bytes])]);
    if (this.isLeft || size(replay) === size(this.replay)) return replay;
    const [session, timeline] = await Promise.all([api.session(this.which), api.timeline(this.which)]);
    if (this.isLeft) return replay;
    const count = this.entries.length;
    this.take(session, timeline, replay);
    this.openPart(count !== this.entries.length);
    if (count !== this.entries.length) this.player?.setEntries(this.entries);
    return replay;
  }

  build() {
    const jump = this.hasReplay ? (entry) => this.jump(entry) : null;
    this.timelineView = new Timeline({ fields: this.fields, items: (entry) => this.itemsOf(entry), epoch: this.epoch, jump });
    this.pagesView = new Pages({ epoch: this.epoch, jump });
    this.panels = Object.fromEntries(Object.keys(TABS).map((tab) => [tab, h("div", { class: `tab-panel ${tab}-panel`, id: `panel-${tab}`, role: "tabpanel", "aria-labelledby": `tab-${tab}`, hidden: true })]));
    this.panels.timeline.append(this.timelineView.element);
    this.panels.pages.append(this.pagesView.element);
    this.tabs = Object.fromEntries(Object.entries(TABS).map(([tab, words]) => [tab, h("button", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": `panel-${tab}`, onclick: () => this.goTab(tab) }, words)]));
    const bar = h("div", { class: "tabs", role: "tablist", "aria-label": t`Views of the session`, onkeydown: (event) => this.tabKeys(event) }, Object.values(this.tabs));
    this.head = h("div", { class: "session-head" });
    this.partChoice = h("select", { class: "input", "aria-label": t`Part of the session`, hidden: this.windows.length < 2, onchange: () => this.goPart(Number(this.partChoice.value)) });
    const help = h("button", { class: "button plain", type: "button", "aria-label": t`Keys`, title: t`Keys (?)`, onclick: showHelp }, icon("help"));
    const back = h("a", { class: "button plain", href: "/", title: t`All sessions`, "aria-label": t`All sessions`, onclick: (event) => this.back(event) }, icon("back"));
    show(
      this.page,
      h("header", { class: "top session-top" }, back, this.neighbours(), this.head, h("span", { class: "grow" }), this.partChoice, bar, settings(), account(), help),
      h("main", { class: "session" }, Object.values(this.panels)),
    );
  }

  /** The window that the address names, or the first. */
  openPart(isGrown = true) {
    const part = this.windows.find((window) => window.session_part === this.state.part) ?? this.windows[0] ?? null;
    if (part === this.part && this.isBuilt) return;
    this.isBuilt = true;
    this.part = part;
    const isIn = (entry) => !part || this.windows.length < 2 || entry.row.session_part === undefined || entry.row.session_part === part.session_part;
    const entries = this.entries.filter(isIn);
    show(this.head, this.headline(part));
    show(
      this.partChoice,
      this.windows.map((window) => h("option", { value: window.session_part }, t`Part ${window.session_part + 1} · ${position(window.start - this.epoch)}`)),
    );
    if (part) this.partChoice.value = String(part.session_part);
    if (isGrown) {
      this.timelineView.setEntries(entries);
      this.pagesView.setEntries(entries);
    }
    const row = part ?? { app_id: this.which.app, session_id: this.which.id };
    show(
      this.panels.properties,
      properties(row, this.fields, this.groups, (name, value) => this.items("sessions", name, value)),
    );
  }

  headline(part) {
    if (!part) return [h("h1", {}, this.which.id), this.isLive ? h("span", { class: "badge live" }, t`live`) : null];
    const user = part.user_name || part.user_email || part.userid || t`Unknown visitor`;
    const where = [part.country, part.browser, part.os, part.device].filter(Boolean).join(" · ");
    document.title = t`${user} · ${fullTime(part.start)} · Replay Lake`;
    const badge = (number, one, kind) => (number > 0 ? h("span", { class: `badge ${kind}` }, counted(number, one)) : null);
    return [
      h("h1", { title: user }, user),
      h("p", { class: "hint" }, [fullTime(part.start), durationNs(part.time_spent), appName(part.app_id), where].filter(Boolean).join("  ·  ")),
      this.isLive ? h("span", { class: "badge live" }, t`live`) : null,
      badge(part.session_error_count, t`error`, "bad"),
      badge(part.frustration_count, t`frustration`, "warn"),
    ];
  }

  /** Show the tab of the address; without one, the replay if there is one. */
  openTab(isFirst) {
    const tab = Object.hasOwn(TABS, this.state.tab) ? this.state.tab : this.hasReplay || this.replay.notes.length ? "replay" : "timeline";
    for (const [name, panel] of Object.entries(this.panels)) panel.hidden = name !== tab;
    for (const [name, button] of Object.entries(this.tabs)) {
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
    }
    this.tab = tab;
    if (isFirst && tab === "timeline" && this.state.at !== null) this.timelineView.showAt(this.state.at);
    if (tab === "replay") this.openPlayer();
    else if (this.player?.tape?.playing) this.player.toggle();
    if (isFirst && this.state.tab !== tab) this.remember();
  }

  openPlayer() {
    if (!this.hasReplay && !this.isLive)
      return show(this.panels.replay, h("div", { class: "empty" }, h("p", {}, nothingToPlay(this.replay.notes)), h("button", { class: "button", type: "button", onclick: () => this.goTab("timeline") }, t`Show the timeline`)));
    const { t: seconds, track, at: moment } = this.state;
    const at = seconds === null ? moment && Math.max(this.epoch, moment - LEAD_MS) : this.epoch + seconds * 1000;
    if (!this.player) {
      this.player = new Player({
        source: this.source(),
        replay: this.replay,
        entries: this.entries,
        fields: this.fields,
        items: (entry) => this.itemsOf(entry),
        epoch: this.epoch,
        bounds: () => this.bounds(),
        which: this.which,
        moved: (ms, number) => this.moved(ms, number),
      });
      show(this.panels.replay, this.player.element);
      const aimed = seconds === null && moment ? this.entries.find((entry) => Math.abs(entry.at - moment) < 1) : null;
      return this.player.start(track ?? this.usualTrack(at), at, true, aimed);
    }
    if (at !== null && Math.abs(at - (this.shownAt ?? 0)) > 1500) this.player.start(track ?? this.usualTrack(at), at);
  }

  /** Start and end of the session, as its head tells them; without a row of it the end is not known. */
  bounds() {
    const ends = this.windows.map((window) => (typeof window.time_spent === "number" ? window.start + window.time_spent / NS_PER_MS : window.end)).filter((ms) => typeof ms === "number");
    return { start: this.epoch, end: ends.length ? Math.max(...ends) : null };
  }

  /** The track to begin with: of the moment, else of the part. */
  usualTrack(at) {
    const tracks = this.replay.tracks.filter((track) => track.chunks.length);
    const from = at ?? this.part?.start ?? this.epoch;
    const to = at ?? this.part?.end ?? Infinity;
    return (tracks.find((track) => track.start_ms <= to && track.end_ms >= from) ?? tracks[0])?.track;
  }

  source() {
    const { which } = this;
    return {
      replay: () => this.follow(),
      events: (track, chunk) => api.events(which, track, chunk),
      allowed: allowedOrigins,
      address: (seconds, track) => new URL(sessionAddress({ ...which, tab: "replay", track, t: seconds }), location.href).href,
      link: (seconds, track) => shareLink(which, { tab: "replay", track, t: seconds }),
    };
  }

  /** The picture moved: the address follows now and then, so that a reload comes back here. */
  moved(ms, track) {
    this.shownAt = ms;
    this.shownTrack = track;
    if (this.remembering) return;
    this.remembering = setTimeout(() => {
      this.remembering = null;
      if (!this.isLeft && this.tab === "replay") this.remember();
    }, 2000);
  }

  remember() {
    const seconds = this.tab === "replay" && this.shownAt ? Math.max(0, Math.round((this.shownAt - this.epoch) / 1000)) : null;
    const tracks = this.replay.tracks.length > 1 ? (this.shownTrack ?? null) : null;
    const { part } = this.state;
    this.state = { ...sessionState(), ...this.which, part, tab: this.tab, t: seconds || null, track: seconds ? tracks : null };
    go(sessionAddress(this.state), { replace: true });
  }

  address(where) {
    const { part, exp, sig } = this.state;
    return sessionAddress({ ...this.which, part, exp, sig, ...where });
  }

  goTab(tab) {
    const seconds = this.shownAt ? Math.max(0, Math.round((this.shownAt - this.epoch) / 1000)) : null;
    go(this.address({ tab, t: tab === "replay" ? seconds : null }));
  }

  goPart(part) {
    this.shownAt = null;
    go(this.address({ part, tab: this.tab, t: this.tab === "replay" ? Math.round((this.windows.find((window) => window.session_part === part).start - this.epoch) / 1000) : null }));
  }

  jump(entry) {
    if (this.tab !== "replay") {
      const seconds = Math.max(0, Math.round((entry.at - this.epoch) / 100) / 10);
      if (this.player) this.shownAt = entry.at;
      go(this.address({ tab: "replay", t: seconds }));
    }
    this.player?.jump(entry, true);
    announce(t`Replay at ${position(entry.at - this.epoch)}`, { visible: false });
  }

  /** The menu of a field of an entry. */
  itemsOf(entry) {
    const { table } = KINDS[entry.kind];
    return (name, value) => this.items(table, name, value);
  }

  /** The menu of a field: its list with or without the value, sessions with it, the list with the field as a column. */
  items(table, name, value) {
    const isField = this.tables[table].has(name) || name.startsWith("custom.");
    const list = { ...nothingChosen(table), app: this.which.app, range: "all" };
    const open = (more) => () => go(explorerAddress({ ...list, ...more }));
    const { many, columns } = LISTS[table];
    const words = many.replace(/^./, (first) => first.toUpperCase());
    const sessions = () => go(explorerAddress({ ...nothingChosen(), app: this.which.app, range: "all", has: [`${table}.${name}:${value}`] }));
    return [
      ...(isField
        ? [
            { label: t`${words} with this value`, run: open({ is: [pair(name, value)] }) },
            { label: t`${words} without it`, run: open({ not: [pair(name, value)] }) },
            ...(table === "sessions" ? [] : [{ label: t`Sessions with this`, run: sessions }]),
            { label: t`List with this column`, run: open({ columns: [...columns, name] }) },
          ]
        : []),
      { label: t`Copy`, run: () => copy(typeof value === "object" ? JSON.stringify(value) : String(value)) },
    ];
  }

  /** The next and the previous session of the list that one came from. */
  neighbours() {
    const walk = JSON.parse(sessionStorage.getItem("replaylake.walk") ?? "[]");
    const isThis = ({ play }) => {
      const { app, id, part } = sessionState(new URL(play, location.href).searchParams);
      return app === this.which.app && id === this.which.id && (part ?? 0) === (this.state.part ?? 0);
    };
    const place = walk.findIndex(isThis);
    if (place < 0) return null;
    const link = (step, words, sign, key) => {
      const to = walk[place + step];
      return to
        ? h("a", { class: "button plain", href: this.tab === "replay" || this.state.tab === "replay" ? to.play : to.details, "data-inside": true, title: `${words} (${key})`, "aria-label": words, dataset: { step } }, icon(sign))
        : h("span", { class: "button plain", "aria-hidden": "true" }, icon(sign));
    };
    return h(
      "nav",
      { class: "neighbours", "aria-label": t`Session ${place + 1} of ${walk.length} in the list` },
      link(-1, t`Previous session`, "up", "["),
      h("span", { class: "hint" }, `${place + 1} / ${walk.length}`),
      link(1, t`Next session`, "down", "]"),
    );
  }

  step(step) {
    /** @type {HTMLElement | null} */ (this.page.querySelector(`.neighbours a[data-step="${step}"]`))?.click();
  }

  back(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const before = sessionStorage.getItem("replaylake.explorer");
    history.pushState(null, "", before ?? "/");
    dispatchEvent(new Event("navigate-page"));
  }

  tabKeys(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const names = Object.keys(TABS);
    const next = names[(names.indexOf(this.tab) + step + names.length) % names.length];
    this.tabs[next].focus();
    this.goTab(next);
  }

  keys() {
    const player = (does) => () => this.tab === "replay" && this.player && does(this.player);
    return [
      { keys: [" "], does: t`play or pause`, always: () => this.tab === "replay" && Boolean(this.player), run: player((it) => it.toggle()) },
      { keys: ["ArrowLeft"], does: t`5 s back (shift: 30 s)`, run: (event) => player((it) => it.step(event.shiftKey ? -30_000 : -5000))() },
      { keys: ["ArrowRight"], does: t`5 s on (shift: 30 s)`, run: (event) => player((it) => it.step(event.shiftKey ? 30_000 : 5000))() },
      { keys: ["j"], does: t`next page, action or error`, run: player((it) => it.neighbour(1)) },
      { keys: ["k"], does: t`the one before`, run: player((it) => it.neighbour(-1)) },
      { keys: [">", "."], does: t`faster`, run: player((it) => it.faster(1)) },
      { keys: ["<", ","], does: t`slower`, run: player((it) => it.faster(-1)) },
      { keys: ["s"], does: t`skip inactivity, or not`, run: player((it) => it.setSkip(!it.skip)) },
      { keys: ["t"], does: t`follow the visitor from tab to tab, or not`, run: player((it) => it.setWithVisitor(!it.isWithVisitor)) },
      { keys: ["i"], does: t`details of the marked entry`, run: player((it) => it.showDetails()) },
      { keys: ["d"], does: t`console and network`, run: player((it) => it.toggleSide()) },
      { keys: ["m"], does: t`save this moment`, run: player((it) => it.saveMoment()) },
      { keys: ["f"], does: t`full screen`, run: player((it) => it.fullScreen()) },
      { keys: ["l"], does: t`list of events`, run: player((it) => it.toggleList()) },
      { keys: ["c"], does: t`share this moment`, run: player((it) => it.share()) },
      ...Object.keys(TABS).map((tab, place) => ({ keys: [String(place + 1)], does: TABS[tab].toLowerCase(), run: () => this.goTab(tab) })),
      { keys: ["/"], does: t`filter the timeline`, run: () => (this.goTab("timeline"), this.timelineView.search.focus()) },
      { keys: ["]"], does: t`next session of the list`, run: () => this.step(1) },
      { keys: ["["], does: t`previous session of the list`, run: () => this.step(-1) },
      { keys: ["u"], does: t`back to the list`, run: (event) => this.back(event) },
    ];
  }
}

/** The address of a moment, signed so that it opens without a token; unsigned where the server makes no links. */
async function shareLink(which, where) {
  const plain = new URL(sessionAddress({ ...which, ...where }), location.href);
  try {
    const { url, expires_ms } = await api.link(which, LINK_SECONDS);
    const signed = new URL(url);
    for (const [name, value] of plain.searchParams) if (!signed.searchParams.has(name)) signed.searchParams.set(name, value);
    return { url: signed.href, expires_ms };
  } catch (error) {
    if (error instanceof ApiError) return { url: plain.href };
    throw error;
  }
}

/** Why there is no player, as the server says it. */
function nothingToPlay(notes) {
  if (!notes.length) return t`Nothing of this session was recorded.`;
  return t`This session was recorded, but nothing of it can be played: ${notes.map(({ text }) => text).join("; ")}.`;
}
