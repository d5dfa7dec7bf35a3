// One track's chunks on the stage: the chunk of the moment first, the following ones ahead of the picture.

const AHEAD_MS = 45_000;
const KEPT = 8;

export class Tape {
  /** `load(chunk)` gives the text of a chunk, `texts` keeps them; `on` has wait(bool), finish(), fail(error), told(chunk, report). */
  constructor(stage, track, { load, texts, allowed, on }) {
    this.stage = stage;
    this.load = load;
    this.allowed = allowed;
    this.on = on;
    this.texts = texts; // chunk → promise of its text, the newest last
    this.run = null; // places of the first and last chunk on the stage
    this.turn = 0;
    this.speed = 1;
    this.playing = false;
    this.waiting = false;
    this.track = track;
    this.at = track.start_ms;
  }

  get chunks() {
    return this.track.chunks;
  }

  /** Places of chunks that are loaded, for the picture of the timeline. */
  get loaded() {
    return this.chunks.filter(({ chunk }) => this.texts.has(chunk));
  }

  placeAt(ms) {
    let place = 0;
    while (place + 1 < this.chunks.length && this.chunks[place + 1].start_ms <= ms) place += 1;
    return place;
  }

  text(place) {
    const { chunk } = this.chunks[place];
    const known = this.texts.get(chunk);
    const text = known ?? this.load(chunk);
    if (!known) text.catch(() => this.texts.delete(chunk));
    this.texts.delete(chunk);
    this.texts.set(chunk, text);
    for (const [old] of this.texts) if (this.texts.size > KEPT) this.texts.delete(old);
    return text;
  }

  /** Go to a moment (Unix ms), and play or stand there. */
  async seek(ms, playing = this.playing) {
    const turn = ++this.turn;
    this.playing = playing;
    this.at = Math.max(this.track.start_ms, Math.min(this.track.end_ms, ms));
    const place = this.placeAt(this.at);
    try {
      if (!this.run || place < this.run.first || place > this.run.last) {
        this.stage.pause();
        this.wait(true);
        const text = await this.text(place);
        if (turn !== this.turn) return;
        this.begin(place, text);
      }
      this.wait(false);
      this.stage[playing ? "play" : "pause"](this.at);
      await this.loadAhead(turn);
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    }
  }

  begin(place, text) {
    const { start_ms: start, end_ms: end } = this.track;
    const on = { finish: () => this.finished() };
    const report = this.stage.open({ start, end, text, speed: this.speed, allowed: this.allowed, on });
    this.run = { first: place, last: place };
    this.on.told(this.chunks[place].chunk, report);
  }

  /** Put following chunks on the stage while the picture comes near them. */
  async loadAhead(turn = this.turn) {
    if (this.loading === turn) return;
    this.loading = turn;
    try {
      while (turn === this.turn && this.run.last + 1 < this.chunks.length) {
        const next = this.run.last + 1;
        if (this.chunks[next].start_ms > this.time() + AHEAD_MS * this.speed) return;
        const text = await this.text(next);
        if (turn !== this.turn) return;
        const report = await this.stage.add(text);
        if (turn !== this.turn || !this.run) return;
        this.run.last = next;
        this.on.told(this.chunks[next].chunk, report);
        if (this.waiting) this.goOn();
      }
    } catch (error) {
      if (turn === this.turn) this.failed(error);
    } finally {
      if (this.loading === turn) this.loading = null;
    }
  }

  /** The picture must not pass what is loaded: called for every drawn frame. */
  tick() {
    if (!this.playing || this.waiting || !this.run) return;
    this.at = Math.min(this.track.end_ms, this.stage.time());
    if (this.at >= this.track.end_ms) {
      this.stage.pause(); // records may claim times after the end
      return this.finished();
    }
    const next = this.chunks[this.run.last + 1];
    if (next && this.at >= next.start_ms - 20) {
      this.stage.pause();
      this.wait(true);
    }
    this.loadAhead();
  }

  goOn() {
    this.wait(false);
    if (this.playing) this.stage.play(this.at);
  }

  play() {
    return this.seek(this.at >= this.track.end_ms - 50 ? this.track.start_ms : this.at, true);
  }

  pause() {
    this.at = this.time();
    this.playing = false;
    this.stage.pause();
  }

  time() {
    return this.playing && !this.waiting && this.run ? Math.min(this.track.end_ms, this.stage.time()) : this.at;
  }

  setSpeed(speed) {
    this.speed = speed;
    this.stage.speed(speed);
  }

  /** A session that is still being recorded has grown; chunks that changed are read again. */
  async grow(track) {
    const was = this.track;
    const same = (place) => track.chunks[place]?.chunk === was.chunks[place]?.chunk && track.chunks[place]?.raw_bytes === was.chunks[place]?.raw_bytes;
    const changed = was.chunks.findIndex((_, place) => !same(place));
    const at = this.time();
    this.track = track;
    if (changed >= 0) for (const { chunk } of was.chunks.slice(changed)) this.texts.delete(chunk);
    if (!this.run) return;
    if (changed >= 0 && this.run.last >= changed) {
      this.run = null;
      await this.seek(at);
    } else {
      this.stage.extend(track.end_ms);
      await this.loadAhead();
    }
  }

  finished() {
    this.at = this.track.end_ms;
    this.playing = false;
    this.on.finish();
  }

  wait(waiting) {
    this.waiting = waiting;
    this.on.wait(waiting);
  }

  failed(error) {
    this.playing = false;
    this.wait(false);
    this.on.fail(error);
  }

  close() {
    this.turn += 1;
    this.stage.close();
    this.run = null;
  }
}
