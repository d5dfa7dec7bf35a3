// The replay player: stage, controls, time line, list of events, tabs of the session, live following.

import { announce, copy, h, icon, show } from "./dom.js";
import { EventList } from "./eventlist.js";
import { duration, label, position } from "./format.js";
import { openPanel } from "./menu.js";
import { Scrubber } from "./scrubber.js";
import { Tape } from "./tape.js";

const SPEEDS = [1, 1.5, 2, 4];
const IDLE_MS = 60_000; // shorter stretches are played
const LEAD_MS = 1_000; // a skip ends so long before the visitor goes on
const POLL_MS = 4_000;
const LIVE_EDGE_MS = 4_000; // "live" is so far behind the newest record
const KEY = "replaylake.player";
const STAGE = "/page/stage.html";

export class Player {
  /** `source` reads the API: replay(), events(track, chunk), link(seconds); `moved(ms, track)` hears where the picture is. */
  constructor({ source, replay, entries, epoch, moved }) {
    this.source = source;
    this.replay = replay;
    this.entries = entries;
    this.epoch = epoch;
    this.moved = moved;
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    this.speed = SPEEDS.includes(kept.speed) ? kept.speed : 1;
    this.skip = kept.skip ?? true;
    this.isFollowing = false;
    this.scrubber = new Scrubber((ms) => this.seek(ms), epoch);
    this.list = new EventList(epoch, (entry) => this.jump(entry));
    this.build(kept.list ?? true);
    this.setEntries(entries);
    this.frame.addEventListener("load", () => this.begin(), { once: true });
  }

  setEntries(entries) {
    this.entries = entries;
    this.list.setEntries(entries, (entry) => this.tabOf(entry));
  }

  build(isListOpen) {
    this.frame = h("iframe", { class: "stage", src: STAGE, title: "Replay", tabindex: -1 });
    this.veil = h("div", { class: "stage-veil", role: "status", hidden: true });
    this.note = h("div", { class: "stage-note", role: "status" });
    this.cover = h("button", { class: "stage-cover", type: "button", "aria-label": "Play or pause", tabindex: -1, onclick: () => this.toggle() });
    this.playButton = h("button", { class: "button round", type: "button", onclick: () => this.toggle() });
    this.clock = h("span", { class: "clock" });
    this.speeds = h(
      "div",
      { class: "segmented", role: "group", "aria-label": "Speed" },
      SPEEDS.map((speed) => h("button", { type: "button", onclick: () => this.setSpeed(speed), dataset: { speed } }, `${speed}×`)),
    );
    this.skipBox = h("input", { type: "checkbox", id: "skip", onchange: () => this.setSkip(this.skipBox.checked) });
    const skip = h("label", { class: "switch", title: "Jump over stretches of more than a minute without input (s)" }, this.skipBox, h("span", { class: "switch-track", "aria-hidden": "true" }), "Skip inactivity");
    this.tabs = h("select", { class: "input", "aria-label": "Tab of the session", onchange: () => this.openTrack(Number(this.tabs.value), null) });
    this.liveButton = h("button", { class: "button live", type: "button", hidden: true, onclick: () => this.follow() }, h("span", { class: "live-dot", "aria-hidden": "true" }), "Live");
    this.shareButton = h("button", { class: "button", type: "button", "aria-haspopup": "dialog", "aria-label": "Share", onclick: () => this.share() }, icon("share"), h("span", { class: "wide" }, "Share"));
    const full = h("button", { class: "button plain", type: "button", "aria-label": "Full screen", title: "Full screen (f)", onclick: () => this.fullScreen() }, icon("full"));
    this.listButton = h("button", { class: "button plain", type: "button", "aria-label": "List of events", "aria-controls": "event-list", title: "List of events (l)", onclick: () => this.toggleList() }, icon("list"));
    const screen = h("div", { class: "screen" }, this.frame, this.cover, this.veil, this.note);
    const controls = h("div", { class: "controls" }, this.listButton, this.playButton, this.clock, this.liveButton, h("span", { class: "grow" }), this.tabs, skip, this.speeds, this.shareButton, full);
    this.element = h("div", { class: "player" }, this.list.element, h("div", { class: "theatre" }, screen, this.scrubber.element, controls));
    this.setList(isListOpen);
    this.drawSpeed();
    this.skipBox.checked = this.skip;
  }

  /** Where to begin, before or after the stage is ready. */
  start(track, ms, playing) {
    this.wanted = { track, ms, playing };
    if (this.isReady) this.openTrack(track, ms, playing);
  }

  begin() {
    const { stage } = this.frame.contentWindow;
    if (!stage) return this.fail(new Error("The player could not be loaded: is it installed? (`make setup` fetches it)"));
    this.stage = stage;
    this.source.allowed().then(
      (allowed) => {
        this.allowed = allowed;
        this.isReady = true;
        const { track, ms, playing } = this.wanted ?? {};
        this.openTrack(track ?? this.tracks[0]?.track, ms ?? null, playing ?? true);
        this.draw();
        if (this.replay.live) this.poll();
      },
      (error) => this.fail(error),
    );
  }

  get tracks() {
    return this.replay.tracks.filter((track) => track.chunks.length);
  }

  /** Name of the tab in which an entry happened, when there are several. */
  tabOf({ row }) {
    const { tracks } = this;
    const place = tracks.length > 1 ? tracks.findIndex((track) => track.views.some((view) => view.view_id === row?.view_id)) : -1;
    return place < 0 ? null : `Tab ${place + 1}`;
  }

  openTrack(number, ms, playing = this.tape?.playing ?? true) {
    const track = this.tracks.find((one) => one.track === number) ?? this.tracks[0];
    if (!track) return this.say("There is nothing to play: no full picture of the page was received.");
    const at = ms ?? (this.tape ? this.tape.time() : track.start_ms);
    this.tape?.close();
    this.track = track;
    const on = { wait: (waiting) => this.wait(waiting), finish: () => this.finished(), fail: (error) => this.fail(error) };
    this.tape = new Tape(this.stage, track, { load: (chunk) => this.source.events(track.track, chunk), allowed: this.allowed, on });
    this.tape.speed = this.speed;
    this.scrubber.setTrack(track, this.entries);
    this.drawTabs();
    this.note.textContent = "";
    this.spared = null;
    const inside = at >= track.start_ms && at <= track.end_ms ? at : track.start_ms;
    if (ms !== null) this.spare(inside);
    this.tape.seek(inside, playing);
    this.drawPlay();
  }

  /** One picture of the screen: move the knob, skip what is idle. */
  draw() {
    if (this.isClosed) return;
    requestAnimationFrame(() => this.draw());
    if (!this.tape || this.element.hidden || !this.element.isConnected) return;
    this.tape.tick();
    const at = this.tape.time();
    if (this.skip && this.tape.playing && !this.tape.waiting) this.skipIdle(at);
    this.drawPlay();
    const { run, chunks } = this.tape;
    if (at === this.drawnAt && run?.last === this.drawnRun) return;
    this.drawnAt = at;
    this.drawnRun = run?.last;
    const end = this.track.end_ms;
    this.scrubber.update(at, run && [chunks[run.first].start_ms, chunks[run.last + 1]?.start_ms ?? end]);
    this.clock.textContent = `${position(at - this.epoch)} / ${position(end - this.epoch)}`;
    this.list.update(at);
    this.moved(at, this.track.track);
  }

  idleAt(at) {
    return this.track.idle.find(([from, to]) => to - from > IDLE_MS && at >= from && at < to - LEAD_MS) ?? null;
  }

  skipIdle(at) {
    const stretch = this.idleAt(at);
    if (stretch?.[0] !== this.spared) this.spared = null;
    if (!stretch || this.spared === stretch[0] || this.isFollowing) return;
    const to = stretch[1] - LEAD_MS;
    this.tell(`Skipped ${duration(to - at)} of inactivity`);
    this.tape.seek(to);
  }

  /** Whoever goes into an idle stretch wants to see it: it is not skipped this time. */
  spare(ms) {
    this.spared = this.idleAt(ms)?.[0] ?? null;
  }

  seek(ms) {
    if (!this.tape) return;
    const { start_ms: start, end_ms: end } = this.track;
    const at = Math.max(start, Math.min(end, ms));
    this.isFollowing = this.isFollowing && at > end - LIVE_EDGE_MS * 2;
    this.spare(at);
    this.say("");
    this.tape.seek(at);
  }

  /** Go where an entry happened, in the tab it happened in. */
  jump({ at, row }, playing) {
    const covers = (track) => at >= track.start_ms - 1000 && at <= track.end_ms + 1000;
    const has = (track) => track.views.some((view) => view.view_id === row?.view_id);
    const candidates = this.tracks.filter(covers);
    const track = candidates.find(has) ?? candidates.find((one) => one === this.track) ?? candidates[0] ?? this.tracks.find(has);
    if (!track) return announce("There is no recording of that moment");
    if (!this.tape || track !== this.track) return this.start(track.track, at, playing ?? this.tape?.playing ?? true);
    this.seek(at);
    if (playing && !this.tape.playing) this.toggle();
  }

  toggle() {
    if (!this.tape) return;
    if (this.tape.playing) this.tape.pause();
    else {
      this.say("");
      this.spare(this.tape.time());
      this.tape.play();
    }
    this.drawPlay();
  }

  step(ms) {
    if (this.tape) this.seek(this.tape.time() + ms);
  }

  neighbour(step) {
    const entry = this.tape && this.list.neighbour(this.tape.time(), step);
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

  toggleList() {
    this.setList(this.element.classList.contains("no-list"));
    this.keep();
  }

  setList(isOpen) {
    this.element.classList.toggle("no-list", !isOpen);
    this.list.element.hidden = !isOpen;
    this.listButton.setAttribute("aria-expanded", String(isOpen));
  }

  keep() {
    const state = { speed: this.speed, skip: this.skip, list: !this.list.element.hidden };
    localStorage.setItem(KEY, JSON.stringify(state));
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.().catch(() => announce("The browser does not allow full screen here"));
  }

  /** Seconds since the session's beginning. */
  seconds() {
    return Math.max(0, Math.round((this.tape ? this.tape.time() - this.epoch : 0) / 100) / 10);
  }

  async share() {
    const seconds = this.seconds();
    const link = await this.source.link(seconds, this.track?.track ?? null);
    const field = h("input", { class: "input", readonly: true, value: link.url, "aria-label": "Link" });
    const valid = link.expires_ms ? h("p", { class: "hint" }, `Whoever has this link can watch until ${new Date(link.expires_ms).toLocaleString()}.`) : h("p", { class: "hint" }, "Opens the replay at this moment.");
    openPanel(this.shareButton, "Share", h("p", { class: "menu-title" }, `Link to ${position(seconds * 1000)}`), field, valid, h("button", { class: "button primary", type: "button", onclick: () => copy(link.url) }, icon("copy"), "Copy"));
    field.select();
  }

  follow() {
    if (!this.tape) return;
    this.isFollowing = true;
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
    const wasAtEnd = this.tape && this.tape.at >= this.track.end_ms - 100;
    this.replay = replay;
    if (!this.tape) return this.openTrack(this.tracks[0]?.track, null);
    const track = this.tracks.find((one) => one.track === this.track.track);
    if (!track || (track.end_ms === this.track.end_ms && track.chunks.length === this.track.chunks.length)) return;
    this.track = track;
    this.scrubber.setTrack(track, this.entries);
    this.drawTabs();
    await this.tape.grow(track);
    if (this.isFollowing && wasAtEnd) {
      this.say("");
      await this.tape.seek(this.tape.at, true);
    }
  }

  finished() {
    this.drawPlay();
    if (this.replay.live) this.say(this.isFollowing ? "Waiting for the visitor …" : "This is all that was received so far.");
  }

  wait(waiting) {
    this.veil.hidden = !waiting;
    this.veil.textContent = waiting ? "Loading …" : "";
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
    this.say(`The replay cannot go on: ${error.message}`);
    if (!("status" in error)) console.error(error);
  }

  drawPlay() {
    const playing = this.tape?.playing ?? false;
    if (playing === this.wasPlaying) return;
    this.wasPlaying = playing;
    show(this.playButton, icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.playButton.title = `${playing ? "Pause" : "Play"} (space)`;
    this.element.classList.toggle("is-playing", playing);
  }

  drawSpeed() {
    for (const button of this.speeds.children) button.setAttribute("aria-pressed", String(Number(button.dataset.speed) === this.speed));
  }

  drawTabs() {
    const { tracks } = this;
    const name = (track, place) => `Tab ${place + 1} · ${position(track.start_ms - this.epoch)}–${position(track.end_ms - this.epoch)}`;
    show(
      this.tabs,
      tracks.map((track, place) => h("option", { value: track.track }, name(track, place))),
    );
    this.tabs.value = String(this.track.track);
    this.tabs.hidden = tracks.length < 2;
    this.tabs.title = label(String(this.track.source ?? ""));
  }

  leave() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.tape?.close();
  }
}
