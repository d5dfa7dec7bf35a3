// The replay player: stage, controls, time line, list of events, tabs of the session, live following.

import { announce, copy, h, icon, show } from "./dom.js";
import { EventList } from "./eventlist.js";
import { duration, fullTime, label, position, webAddress } from "./format.js";
import { closeMenu, openMenu, openPanel } from "./menu.js";
import { Missing } from "./missing.js";
import { file, fileName, picture, save } from "./moment.js";
import { Scrubber } from "./scrubber.js";
import { Side } from "./side.js";
import { Tape } from "./tape.js";
import { t } from "./texts.js";
import { inputsOf, Visit } from "./visit.js";

const SPEEDS = [0.5, 1, 1.5, 2, 4, 8];
const IDLE_MS = 60_000; // shorter stretches are played
const LEAD_MS = 1_000; // playing begins so long before what was jumped to, and before the visitor goes on after a skip
const POLL_MS = 4_000;
const LIVE_EDGE_MS = 4_000; // "live" is so far behind the newest record
const SCOUT_MS = 10_000; // how often the recordings of the other tabs are looked into
const KEPT_ELSEWHERE = 2; // chunks of each tab that is not shown
const KEY = "replaylake.player";
const STAGE = "/page/stage.html";

export class Player {
  /** `source` reads the API: replay(), events(track, chunk), link(seconds), address(seconds); `moved(ms, track)` hears
   * where the picture is; `bounds()` gives the session's start and end, Unix ms. */
  constructor({ source, replay, entries, fields, items, epoch, bounds, which, moved }) {
    this.source = source;
    this.replay = replay;
    this.entries = entries;
    this.epoch = epoch;
    this.bounds = bounds;
    this.which = which;
    this.moved = moved;
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    this.speed = SPEEDS.includes(kept.speed) ? kept.speed : 1;
    this.skip = kept.skip ?? true;
    this.isWithVisitor = kept.tabs ?? true;
    this.isFollowing = false;
    this.inputs = []; // of the tabs, as far as their recordings were looked into
    this.texts = new Map(); // track → its chunks' texts
    this.scouted = new Set();
    this.scrubber = new Scrubber((ms) => this.seek(ms), epoch);
    this.list = new EventList(
      epoch,
      (entry) => this.jump(entry),
      (entry, from) => this.side.show(entry, from),
    );
    this.side = new Side({ epoch, fields, items, jump: (entry) => this.jump(entry, true), changed: () => this.drawSide() });
    this.missing = new Missing({ epoch, showTail: () => this.showTail() });
    this.build(kept.list ?? !matchMedia("(max-width: 900px)").matches);
    this.plan();
    this.inputs = []; // [track, moments] of the chunks that were read
    this.setEntries(entries);
    if (kept.side) this.side.open(kept.side);
    this.wait(true);
    this.frame.addEventListener("load", () => this.begin(), { once: true });
  }

  setEntries(entries) {
    this.entries = entries;
    this.plan();
    this.list.setEntries(
      entries,
      (entry) => this.tabOf(entry),
      (entry) => this.visit.isRecorded(entry),
    );
    this.side.setEntries(entries);
  }

  /** The visit as the replay and the entries tell it now. */
  plan() {
    const { start, end } = this.bounds();
    this.visit = new Visit({ replay: this.replay, entries: this.entries, start, end, withTail: this.withTail });
    for (const [track, moments] of this.inputs) this.visit.addInputs(track, moments);
    this.missing.setReplay(this.replay, this.visit);
    this.track = this.visit.tracks.find((track) => track.track === this.track?.track) ?? this.track;
    this.drawLine();
  }

  build(isListOpen) {
    this.frame = h("iframe", { class: "stage", src: STAGE, title: t`Replay`, tabindex: -1 });
    this.veil = h("div", { class: "stage-veil", role: "status", hidden: true });
    this.note = h("div", { class: "stage-note", role: "status" });
    this.cover = h("button", { class: "stage-cover", type: "button", "aria-label": t`Play or pause`, tabindex: -1, onclick: () => this.toggle() });
    this.place = h("span", { class: "place-address" });
    this.size = h("span", { class: "place-size", title: t`Size of the visitor's window, and how large it is shown` });
    this.missingButton = h("button", { class: "button small missing-button", type: "button", "aria-haspopup": "dialog", hidden: true, onclick: () => openPanel(this.missingButton, t`Missing from this replay`, ...this.missing.panel()) });
    const place = h("div", { class: "place", role: "group", "aria-label": t`Recorded page` }, this.place, this.size, this.missingButton);
    this.playButton = h("button", { class: "button round", type: "button", onclick: () => this.toggle() });
    this.clock = h("span", { class: "clock" });
    this.speeds = h(
      "div",
      { class: "segmented", role: "group", "aria-label": t`Speed` },
      SPEEDS.map((speed) => h("button", { type: "button", onclick: () => this.setSpeed(speed), dataset: { speed } }, `${speed}×`)),
    );
    this.skipBox = h("input", { type: "checkbox", id: "skip", onchange: () => this.setSkip(this.skipBox.checked) });
    const skip = h("label", { class: "switch", title: t`Jump over stretches of more than a minute without input (s)` }, this.skipBox, h("span", { class: "switch-track", "aria-hidden": "true" }), t`Skip inactivity`);
    this.tabs = h("select", { class: "input", "aria-label": t`Tab of the session`, hidden: true, onchange: () => this.chooseTab(Number(this.tabs.value)) });
    this.tabsBox = h("input", { type: "checkbox", id: "follow-tabs", onchange: () => this.setWithVisitor(this.tabsBox.checked) });
    this.tabsSwitch = h("label", { class: "switch", title: t`Show the tab that the visitor is in (t)`, hidden: true }, this.tabsBox, h("span", { class: "switch-track", "aria-hidden": "true" }), t`Follow tabs`);
    this.liveButton = h("button", { class: "button live", type: "button", hidden: true, onclick: () => this.follow() }, h("span", { class: "live-dot", "aria-hidden": "true" }), t`Live`);
    this.shareButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", "aria-label": t`Share`, onclick: () => this.share() }, icon("share"), h("span", { class: "wide" }, t`Share`));
    this.saveButton = h("button", { class: "button plain", type: "button", "aria-haspopup": "menu", "aria-label": t`Save this moment`, title: t`Save this moment (m)`, onclick: () => this.saveMoment() }, icon("save"));
    this.sideButton = h("button", { class: "button plain", type: "button", "aria-label": t`Console and network`, "aria-controls": "side", title: t`Console and network (d)`, onclick: () => this.toggleSide() }, icon("console"));
    const full = h("button", { class: "button plain", type: "button", "aria-label": t`Full screen`, title: t`Full screen (f)`, onclick: () => this.fullScreen() }, icon("full"));
    this.listButton = h("button", { class: "button plain", type: "button", "aria-label": t`List of events`, "aria-controls": "event-list", title: t`List of events (l)`, onclick: () => this.toggleList() }, icon("list"));
    const screen = h("div", { class: "screen" }, this.frame, this.cover, this.veil, this.note);
    const controls = h(
      "div",
      { class: "controls" },
      this.listButton,
      this.playButton,
      this.clock,
      this.liveButton,
      h("span", { class: "grow" }),
      this.tabs,
      this.tabsSwitch,
      skip,
      this.speeds,
      this.saveButton,
      this.shareButton,
      this.sideButton,
      full,
    );
    this.element = h("div", { class: "player" }, this.list.element, h("div", { class: "theatre" }, place, screen, this.scrubber.element, controls), this.side.element);
    this.setList(isListOpen);
    this.drawSide();
    this.drawSpeed();
    this.drawPlay();
    this.skipBox.checked = this.skip;
    this.tabsBox.checked = this.isWithVisitor;
  }

  /** Where to begin, before or after the stage is ready; `aimed` is the entry that one comes for. */
  start(track, ms, playing, aimed = null) {
    this.wanted = { track, ms, playing, aimed };
    if (!this.isReady) return;
    this.go(track, ms, playing);
    this.aimed = aimed;
  }

  begin() {
    const { stage } = this.frame.contentWindow;
    if (!stage) return this.fail(new Error(t`The player could not be loaded: is it installed? (\`make setup\` fetches it)`));
    this.stage = stage;
    this.source.allowed().then(
      (allowed) => {
        if (this.isClosed) return;
        this.allowed = allowed;
        this.isReady = true;
        const { track, ms, playing, aimed } = this.wanted ?? {};
        this.go(track ?? this.tracks[0]?.track, ms ?? null, playing ?? true);
        this.aimed = aimed ?? null;
        this.draw();
        if (this.replay.live) this.poll();
      },
      (error) => this.fail(error),
    );
  }

  /** To a moment of a tab; where nothing was recorded, that is said. */
  go(number, ms, playing) {
    if (ms !== null && ms > this.visit.end_ms && this.visit.tail_ms) this.setTail(true);
    const track = this.tracks.find((one) => one.track === number);
    const isElsewhere = ms !== null && !(track && ms >= track.start_ms && ms <= track.end_ms);
    const other = isElsewhere ? this.visit.trackAt(ms) : track;
    this.openTrack((other ?? track)?.track, isElsewhere && !other ? (this.visit.covering(ms)[0]?.start_ms ?? null) : ms, playing);
    if (isElsewhere && !other && this.tape) this.stand(ms);
  }

  get tracks() {
    return this.visit.tracks;
  }

  /** Name of the tab in which an entry happened, when there are several. */
  tabOf(entry) {
    const { tracks } = this;
    const track = tracks.length > 1 ? this.visit.trackOf(entry) : null;
    return track ? t`Tab ${tracks.indexOf(track) + 1}` : null;
  }

  openTrack(number, ms, playing = this.tape?.playing ?? true) {
    if (this.isClosed) return;
    const track = this.tracks.find((one) => one.track === number) ?? this.tracks[0];
    if (!track) {
      this.wait(false);
      return this.say(t`There is nothing to play: no full picture of the page was received.`);
    }
    const at = ms ?? (this.tape ? this.time() : track.start_ms);
    this.tape?.close();
    this.track = track;
    this.standing = null;
    this.tidy();
    if (!this.texts.has(track.track)) this.texts.set(track.track, new Map());
    const on = { wait: (waiting) => this.wait(waiting), finish: () => this.finished(), fail: (error) => this.fail(error), told: (chunk, report) => this.told(track.track, chunk, report) };
    this.tape = new Tape(this.stage, track, { load: (chunk) => this.source.events(track.track, chunk), texts: this.texts.get(track.track), allowed: this.allowed, on });
    this.tape.speed = this.speed;
    this.drawTabs(at);
    this.say("");
    this.spared = null;
    const inside = at >= track.start_ms && at <= track.end_ms ? at : track.start_ms;
    if (ms !== null) this.spare(inside);
    this.tape.seek(inside, playing);
    this.drawPlay();
  }

  /** Of the tabs that are not shown only what was read last stays in memory. */
  tidy() {
    for (const [track, texts] of this.texts) {
      if (track === this.track.track) continue;
      for (const chunk of texts.keys()) if (texts.size > KEPT_ELSEWHERE) texts.delete(chunk);
    }
  }

  /** What the stage says of a chunk that it has got. */
  told(track, chunk, report) {
    this.missing.add(track, chunk, report);
    this.drawLine();
  }

  drawLine() {
    this.scrubber.setVisit(this.visit, this.entries, this.missing.marks);
    const { count } = this.missing;
    this.missingButton.hidden = count === 0;
    show(this.missingButton, h("span", { class: "hatch", "aria-hidden": "true" }), t`${count} missing`);
  }

  /** The moment that is shown: that of the picture, or one that was not recorded. */
  time() {
    return this.standing ?? this.tape?.time() ?? this.epoch;
  }

  /** One picture of the screen: move the knob, skip what is idle, go with the visitor. */
  draw() {
    if (this.isClosed) return;
    requestAnimationFrame(() => this.draw());
    if (!this.tape || this.element.hidden || !this.element.isConnected) return;
    this.tape.tick();
    let at = this.time();
    const isMoving = this.tape.playing && !this.tape.waiting;
    if (this.aimed && (at > this.aimed.at || at < this.aimed.at - LEAD_MS - 500)) this.aimed = null;
    if (isMoving && this.isWithVisitor && !this.aimed) this.goWithVisitor(at);
    if (this.skip && isMoving) this.skipIdle(at);
    at = this.time(); // after a skip, what is said of it and the knob change in one picture
    this.drawPlay();
    this.drawPlace(at);
    const { run, chunks } = this.tape;
    if (at === this.drawnAt && run?.last === this.drawnRun) return;
    this.drawnAt = at;
    this.drawnRun = run?.last;
    const end = this.visit.end_ms;
    this.scrubber.update(at, run && [chunks[run.first].start_ms, Math.min(end, chunks[run.last + 1]?.start_ms ?? this.track.end_ms)]);
    this.clock.textContent = `${position(at - this.epoch)} / ${position(Math.round((end - this.epoch) / 1000) * 1000)}`;
    this.list.update(at, this.aimed);
    this.side.update(at);
    this.moved(at, this.track.track);
  }

  /** The address and the size of the page that is shown. */
  drawPlace(at) {
    const address = this.visit.addressAt(this.track, at);
    if (address !== this.address) {
      this.address = address;
      const link = webAddress(address);
      show(
        this.place,
        h("bdi", { title: address }, address || t`Address not known`),
        link ? h("a", { class: "button plain small", href: link, target: "_blank", rel: "noopener noreferrer nofollow", "aria-label": t`Open this address`, title: t`Open this address` }, icon("open")) : null,
      );
      this.drawTabs(at);
    }
    const { width, height, scale } = this.stage.size();
    const words = `${width} × ${height} · ${Math.round(scale * 100)} %`;
    if (words !== this.size.textContent) this.size.textContent = words;
  }

  /** Show the tab that the visitor is in. */
  goWithVisitor(at) {
    if (this.tracks.length < 2 || this.standing !== null) return;
    this.scout(at);
    const track = this.visit.trackAt(at);
    if (!track || track.track === this.track.track) return;
    this.openTrack(track.track, at, true);
    this.tell(t`Now in ${this.visit.tabName(track, at)}`);
  }

  /** Look into the recordings of the other tabs around a moment: where something is moved or typed, there the visitor is. */
  scout(at) {
    if (Math.abs(at - (this.scoutedAt ?? -Infinity)) < SCOUT_MS) return;
    this.scoutedAt = at;
    for (const track of this.tracks.filter((one) => at >= one.start_ms - SCOUT_MS && at <= one.end_ms)) {
      const chunk = track.chunks.findLast((one) => one.start_ms <= at) ?? track.chunks[0];
      const key = `${track.track}/${chunk.chunk}/${chunk.raw_bytes}`;
      if (this.scouted.has(key)) continue;
      this.scouted.add(key);
      if (!this.texts.has(track.track)) this.texts.set(track.track, new Map());
      const texts = this.texts.get(track.track);
      if (!texts.has(chunk.chunk)) texts.set(chunk.chunk, this.source.events(track.track, chunk.chunk));
      const text = texts.get(chunk.chunk);
      text.then(
        (found) => this.learn(track.track, inputsOf(found)),
        () => {
          if (texts.get(chunk.chunk) === text) texts.delete(chunk.chunk); // the tape says so when it needs it
          this.scouted.delete(key);
        },
      );
    }
  }

  learn(track, moments) {
    this.inputs.push([track, moments]);
    this.visit.addInputs(track, moments);
  }

  idleAt(at) {
    return this.visit.idle.find(([from, to]) => to - from > IDLE_MS && at >= from && at < to - LEAD_MS) ?? null;
  }

  skipIdle(at) {
    const stretch = this.idleAt(at);
    if (stretch?.[0] !== this.spared) this.spared = null;
    if (!stretch || this.spared === stretch[0] || this.isFollowing) return;
    const to = Math.min(stretch[1] - LEAD_MS, this.track.end_ms);
    if (to <= at) return;
    this.tell(t`Skipped ${duration(to - at)} of inactivity`);
    this.tape.seek(to);
  }

  /** Whoever goes into an idle stretch wants to see it: it is not skipped this time. */
  spare(ms) {
    this.spared = this.idleAt(ms)?.[0] ?? null;
  }

  seek(ms) {
    if (!this.tape) return;
    const { start_ms: start, end_ms: end } = this.visit;
    const at = Math.max(start, Math.min(end, ms));
    this.aimed = null;
    this.isFollowing = this.isFollowing && at > end - LIVE_EDGE_MS * 2;
    const isHere = at >= this.track.start_ms && at <= this.track.end_ms;
    const track = isHere && !this.isWithVisitor ? this.track : this.visit.trackAt(at);
    if (!track) return this.stand(at);
    if (track.track !== this.track.track) return this.openTrack(track.track, at);
    this.standing = null;
    this.spare(at);
    this.say("");
    this.tape.seek(at);
  }

  /** Be at a moment of which there is no picture: the last one before stays, and a word over it. */
  stand(ms) {
    const before = this.tracks.filter((track) => track.end_ms <= ms).sort((a, b) => b.end_ms - a.end_ms)[0];
    if (before && before.track !== this.track.track) this.openTrack(before.track, before.end_ms, false);
    else this.tape.seek(Math.max(this.track.start_ms, Math.min(this.track.end_ms, ms)), false);
    const [from, to] = this.visit.gapAt(ms) ?? [ms, ms];
    if (from === to && !before) return;
    this.standing = ms;
    this.say(t`Not recorded: nothing arrived from ${position(from - this.epoch)} to ${position(to - this.epoch)}`);
    this.drawPlay();
  }

  /** Go where an entry happened, in the tab it happened in; playing begins a second before. */
  jump(entry, playing = this.tape?.playing ?? true) {
    if (entry.at > this.visit.end_ms && this.visit.tail_ms) this.setTail(true);
    const track = this.visit.trackOf(entry);
    this.aimed = null;
    if (!track) return this.tape ? this.stand(Math.max(this.visit.start_ms, Math.min(this.visit.end_ms, entry.at))) : announce(t`There is no recording of that moment`);
    const at = Math.max(track.start_ms, Math.min(track.end_ms, playing ? entry.at - LEAD_MS : entry.at));
    if (!this.tape) return this.start(track.track, at, playing);
    if (track.track !== this.track.track) this.openTrack(track.track, at, playing);
    else {
      this.standing = null;
      this.isFollowing = false;
      this.spare(at);
      this.say("");
      this.tape.seek(at, playing);
    }
    this.aimed = entry;
    if (!this.visit.isRecorded(entry)) this.say(t`Not recorded: no picture of this page arrived; this is what was there at that moment`);
    this.drawPlay();
  }

  toggle() {
    if (!this.tape) return;
    if (this.tape.playing) this.tape.pause();
    else if (this.standing !== null) this.leaveGap(this.standing);
    else {
      this.say("");
      this.spare(this.tape.time());
      if (this.tape.at >= this.track.end_ms - 50 && this.tracks.length > 1) this.openTrack(this.tracks[0].track, this.tracks[0].start_ms, true);
      else this.tape.play();
    }
    this.drawPlay();
  }

  /** On with what was recorded next; at the end, from the beginning. */
  leaveGap(from) {
    const next = this.visit.next(from) ?? this.tracks[0];
    this.openTrack(next.track, next.start_ms, true);
  }

  step(ms) {
    if (this.tape) this.seek(this.time() + ms);
  }

  neighbour(step) {
    const entry = this.tape && this.list.neighbour(this.aimed?.at ?? this.time(), step);
    if (entry) this.jump(entry);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.tape?.setSpeed(speed);
    this.keep();
    this.drawSpeed();
  }

  faster(step) {
    this.setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(this.speed) + step))]);
  }

  setSkip(skip) {
    this.skip = skip;
    this.skipBox.checked = skip;
    this.spared = null;
    this.keep();
  }

  /** Go with the visitor from tab to tab, or stay in one. */
  setWithVisitor(isWith) {
    this.isWithVisitor = isWith;
    this.tabsBox.checked = isWith;
    this.keep();
    if (isWith && this.tape) this.seek(this.time());
  }

  /** Whoever chooses a tab wants to stay in it. */
  chooseTab(number) {
    this.isWithVisitor = false;
    this.tabsBox.checked = false;
    this.tabs.blur();
    this.aimed = null;
    this.openTrack(number, null);
  }

  showTail() {
    closeMenu();
    this.setTail(true);
  }

  setTail(withTail) {
    this.withTail = withTail;
    this.plan();
    const track = this.tracks.find((one) => one.track === this.track?.track);
    if (this.tape && track) this.tape.grow(track);
    this.drawnAt = null;
  }

  toggleList() {
    this.setList(this.element.classList.contains("no-list"));
    this.keep();
  }

  setList(isOpen) {
    this.element.classList.toggle("no-list", !isOpen);
    this.list.element.hidden = !isOpen;
    this.listButton.setAttribute("aria-expanded", String(isOpen));
  }

  toggleSide() {
    if (this.side.isOpen) this.side.close();
    else this.side.open(this.side.tab === "details" ? "console" : this.side.tab);
  }

  drawSide() {
    if (!this.sideButton) return;
    this.element.classList.toggle("has-side", this.side.isOpen);
    this.sideButton.setAttribute("aria-expanded", String(this.side.isOpen));
    this.keep();
  }

  /** The fields of the entry that is marked in the list. */
  showDetails() {
    this.list.update(this.time(), this.aimed);
    const entry = this.list.marked;
    if (entry) this.side.show(entry, this.list.items[this.list.present]?.querySelector(".event-more"));
    else announce(t`No entry is marked`);
  }

  keep() {
    if (!this.sideButton) return;
    const state = { speed: this.speed, skip: this.skip, tabs: this.isWithVisitor, list: !this.list.element.hidden, side: this.side.isOpen && this.side.tab !== "details" ? this.side.tab : null };
    localStorage.setItem(KEY, JSON.stringify(state));
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.().catch(() => announce(t`The browser does not allow full screen here`));
  }

  /** Seconds since the session's beginning. */
  seconds() {
    return Math.max(0, Math.round((this.tape ? this.time() - this.epoch : 0) / 100) / 10);
  }

  async share() {
    const seconds = this.seconds();
    const link = await this.source.link(seconds, this.track?.track ?? null);
    const field = h("input", { class: "input", readonly: true, value: link.url, "aria-label": t`Link` });
    const valid = link.expires_ms ? h("p", { class: "hint" }, t`Whoever has this link can watch until ${fullTime(link.expires_ms)}.`) : h("p", { class: "hint" }, t`Opens the replay at this moment.`);
    openPanel(
      this.shareButton,
      t`Share`,
      h("p", { class: "menu-title" }, t`Link to ${position(seconds * 1000)}`),
      field,
      valid,
      h("button", { class: "button primary", type: "button", onclick: () => copy(link.url) }, icon("copy"), t`Copy`),
    );
    field.select();
  }

  /** The moment as a picture or a file: both show what the recording shows, with what was masked still masked. */
  saveMoment() {
    if (!this.tape?.run) return announce(t`There is no picture yet`);
    if (this.tape.playing) this.toggle();
    const at = this.time();
    const make = (kind, blob) => async () => {
      try {
        const still = this.stage.still();
        save(await blob(still, at), fileName(this.which, at - this.epoch, kind));
        announce(t`Saved the moment at ${position(at - this.epoch)}`);
      } catch (error) {
        console.error(error);
        announce(t`This moment could not be saved`);
      }
    };
    const page = (still) =>
      file({ still, which: this.which, at, epoch: this.epoch, address: this.visit.addressAt(this.track, at), entries: this.entries, link: this.source.address(this.seconds(), this.track.track), missing: this.missing.lines() });
    openMenu(this.saveButton, t`The moment at ${position(at - this.epoch)}`, [
      { label: t`Picture (PNG)`, run: make("png", (still) => picture(still)) },
      { label: t`Page with what happened (HTML)`, run: make("html", page) },
    ]);
  }

  follow() {
    if (!this.tape) return;
    this.isFollowing = true;
    this.aimed = null;
    const newest = this.tracks.reduce((last, track) => (track.end_ms > last.end_ms ? track : last));
    if (newest.track !== this.track.track) return this.openTrack(newest.track, newest.end_ms - LIVE_EDGE_MS, true);
    this.standing = null;
    this.tape.seek(this.track.end_ms - LIVE_EDGE_MS, true);
  }

  /** An open session: look for new chunks; continue where the picture waits for them. */
  poll() {
    clearTimeout(this.timer);
    if (this.isClosed) return;
    this.liveButton.hidden = !this.replay.live;
    this.timer = setTimeout(async () => {
      try {
        if (!document.hidden) await this.grow(await this.source.replay());
      } catch (error) {
        if (error.status !== 0) return this.fail(error);
      }
      if (this.replay.live) return this.poll();
      if (!this.tape?.playing) this.say(""); // nobody is waited for any more
      this.liveButton.hidden = true;
    }, POLL_MS);
  }

  async grow(replay) {
    const before = this.track;
    const wasAtEnd = this.tape && this.tape.at >= before.end_ms - 100;
    this.replay = replay;
    this.plan();
    if (!this.tape) return this.openTrack(this.tracks[0]?.track, null);
    const track = this.tracks.find((one) => one.track === before.track);
    if (!track || (track.end_ms === before.end_ms && track.chunks.length === before.chunks.length)) return;
    this.track = track;
    this.drawTabs(this.time());
    await this.tape.grow(track);
    if (this.isFollowing && wasAtEnd) {
      this.say("");
      await this.tape.seek(this.tape.at, true);
    }
  }

  /** A tab's recording has ended: on with the next one, over what was not recorded. */
  finished() {
    this.drawPlay();
    if (this.replay.live) return this.say(this.isFollowing ? t`Waiting for the visitor …` : t`This is all that was received so far.`);
    const end = this.track.end_ms;
    const next = this.visit.trackAt(end + 1) ?? this.visit.next(end);
    if (next && (this.isWithVisitor || !this.visit.covering(end + 1).length)) {
      const from = Math.max(end, next.start_ms);
      this.openTrack(next.track, from, true);
      return this.tell(from - end > LEAD_MS ? t`Went over ${duration(from - end)} that were not recorded` : t`Now in ${this.visit.tabName(next, from)}`);
    }
    const gap = this.visit.gapAt(end + 1);
    if (gap && this.visit.end_ms - end > LEAD_MS) this.say(t`The recording ends here; the session went on for ${duration(this.visit.end_ms - end)}`);
    else if (this.visit.tail_ms && !this.withTail) this.say(t`The session ends here; its recording goes on for ${duration(this.visit.tail_ms)} (see what is missing)`);
  }

  wait(waiting) {
    this.veil.hidden = !waiting;
    this.veil.textContent = waiting ? t`Loading …` : "";
  }

  say(text) {
    this.note.textContent = text;
    this.note.classList.remove("passing");
  }

  /** Say it for a moment. */
  tell(text) {
    this.say(text);
    this.note.classList.add("passing");
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.note.textContent === text && this.say(""), 3500);
  }

  fail(error) {
    this.wait(false);
    this.say(t`The replay cannot go on: ${error.message}`);
    if (!("status" in error)) console.error(error);
  }

  drawPlay() {
    const playing = this.tape?.playing ?? false;
    if (playing === this.wasPlaying) return;
    this.wasPlaying = playing;
    show(this.playButton, icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", playing ? t`Pause` : t`Play`);
    this.playButton.title = `${playing ? t`Pause` : t`Play`} (space)`;
    this.element.classList.toggle("is-playing", playing);
  }

  drawSpeed() {
    for (const button of this.speeds.children) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === this.speed));
  }

  drawTabs(at) {
    const { tracks } = this;
    show(
      this.tabs,
      tracks.map((track) => h("option", { value: track.track }, this.visit.tabName(track, at))),
    );
    this.tabs.value = String(this.track.track);
    this.tabs.hidden = this.tabsSwitch.hidden = tracks.length < 2;
    this.tabs.title = label(String(this.track.source ?? ""));
  }

  leave() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.tape?.close();
  }
}
