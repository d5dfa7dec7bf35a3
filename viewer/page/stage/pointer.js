// Where the visitor's pointer is: rrweb forgets it when the element under it is gone, and when playing begins in the middle.

const INCREMENTAL = 3;
const MOVES = new Set([1, 6, 12]); // mouse, touch, drag
const INTERACTION = 2;

export class Pointer {
  constructor() {
    this.places = []; // {at, x, y, id} in order of time
  }

  /** Remember what the events of a chunk tell. */
  add(events) {
    for (const { type, timestamp, data } of events) {
      if (type !== INCREMENTAL) continue;
      if (MOVES.has(data?.source)) for (const { x, y, id, timeOffset } of data.positions ?? []) this.places.push({ at: timestamp + (timeOffset || 0), x, y, id });
      else if (data?.source === INTERACTION && Number.isFinite(data.x) && Number.isFinite(data.y)) this.places.push({ at: timestamp, x: data.x, y: data.y, id: data.id });
    }
    this.places.sort((a, b) => a.at - b.at);
  }

  /** The last place that is known at a moment, or undefined. */
  at(ms) {
    let [low, high] = [0, this.places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle].at <= ms) low = middle + 1;
      else high = middle;
    }
    return this.places[low - 1];
  }

  /** Put rrweb's pointer there; without a place it is hidden. In frames of the page rrweb knows better. */
  show(root, replayer, ms) {
    const place = this.at(ms);
    root.classList.toggle("no-pointer", !place);
    const mouse = root.querySelector(".replayer-mouse");
    if (!place || !mouse || mouse.classList.contains("touch-device")) return;
    const target = replayer.getMirror().getNode(place.id);
    if (target && target.ownerDocument !== replayer.iframe.contentDocument) return;
    const [left, top] = [`${place.x}px`, `${place.y}px`];
    if (mouse.style.left !== left) mouse.style.left = left;
    if (mouse.style.top !== top) mouse.style.top = top;
  }
}
