// Reads replays from a lake's folder with nothing but Node and docs/formats.md: versions 1, 2 and 3.
//
//     node examples/replay_reader.mjs LAKE APP SESSION             every segment as its SDK made it, one a line
//     node examples/replay_reader.mjs LAKE APP SESSION --picture   the segments for the first picture only
//
// Node 24.6 or newer (22.19 in its line): older ones have no zstd with dictionaries. On stderr: files, requests, bytes.

import { createHash } from "node:crypto";
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import zlib from "node:zlib";

const MAGIC = "RLREPLAY";
const FOOTER = 24;
const FIRST_READ = 128 * 1024;
const HELD = "retention=36500d"; // of legal holds: styles lie below their blob's own name

/** Byte ranges of a file; one object of a store would be asked the same way. */
class Ranges {
  constructor(path) {
    this.file = openSync(path, "r");
    this.size = statSync(path).size;
    this.requests = 0;
    this.bytes = 0;
  }

  read(offset, length) {
    const data = Buffer.alloc(length);
    if (readSync(this.file, data, 0, length, offset) !== length) throw new Error("the file ended early");
    this.requests += 1;
    this.bytes += length;
    return data;
  }
}

/** A blob: its footer, its index and its frames. */
class Blob {
  constructor(path) {
    this.path = path;
    this.ranges = new Ranges(path);
    this.tailOffset = Math.max(0, this.ranges.size - FIRST_READ);
    this.tail = this.ranges.read(this.tailOffset, this.ranges.size - this.tailOffset);
    this.readFooter();
  }

  readFooter() {
    const { tail } = this;
    const footer = tail.subarray(tail.length - FOOTER);
    if (footer.length < FOOTER || footer.toString("latin1", 16) !== MAGIC) throw new Error("not a replay blob");
    this.indexLength = footer.readUInt32LE(0);
    this.indexRawLength = footer.readUInt32LE(4);
    this.version = footer.readUInt32LE(8);
    this.pictureLength = footer.readUInt32LE(12);
    this.pictureOffset = 0;
    this.styles = [];
    let end = tail.length - FOOTER; // of what lies between index and footer
    if (![1, 2, 3].includes(this.version)) throw new Error(`format version ${this.version}`);
    if (this.version === 3) {
      end -= 8;
      this.pictureOffset = Number(tail.readBigUInt64LE(end));
    }
    if (this.version >= 2) {
      end -= 4;
      const count = tail.readUInt32LE(end);
      end -= 32 * count;
      if (count > 16 || end < 0) throw new Error("names of styles are missing");
      for (let at = end; at < end + 32 * count; at += 32) this.styles.push(tail.toString("hex", at, at + 32));
    }
    this.indexOffset = this.tailOffset + end - this.indexLength;
    if (this.pictureOffset + this.pictureLength + 8 > this.indexOffset) throw new Error("index and first frame do not fit");
  }

  get index() {
    if (!this.known) {
      const raw = zlib.zstdDecompressSync(this.read(this.indexOffset, this.indexLength));
      if (raw.length !== this.indexRawLength) throw new Error("the index is not as long as the footer says");
      this.known = JSON.parse(raw.toString("utf8"));
      if (this.known.format_version !== this.version) throw new Error("index and footer disagree about the version");
    }
    return this.known;
  }

  /** The frame with the first full snapshot, as lines. Needs no index. */
  picture() {
    return lines(this.frame(this.pictureOffset, this.pictureLength));
  }

  /** All segments, as lines. */
  *segments() {
    for (const { offset, length, raw_length, segments } of this.index.frames) {
      const raw = this.frame(offset, length);
      const found = lines(raw);
      if (raw.length !== raw_length || found.length !== segments) throw new Error("a frame is not what the index says");
      yield* found;
    }
  }

  /** One frame, decompressed; its checksum is verified by zstd. */
  frame(offset, length) {
    return zlib.zstdDecompressSync(this.read(offset, length), this.styles.length ? { dictionary: this.dictionary } : {});
  }

  /** The texts of the styles, one after the other. */
  get dictionary() {
    this.joined ??= Buffer.concat(this.styles.map((name) => style(this.path, name)));
    return this.joined;
  }

  /** A range of the file; what the first read has is not asked for again. */
  read(offset, length) {
    const missing = Math.min(length, Math.max(0, this.tailOffset - offset));
    const start = Math.max(0, offset - this.tailOffset);
    const held = this.tail.subarray(start, start + length - missing);
    return missing ? Buffer.concat([this.ranges.read(offset, missing), held]) : held;
  }

  close() {
    closeSync(this.ranges.file);
  }
}

function style(blobPath, name) {
  const appFolder = dirname(blobPath);
  const own = blobPath.includes(`/${HELD}/`) ? [basename(appFolder), basename(blobPath)] : [];
  const text = zlib.zstdDecompressSync(readFileSync(join(dirname(appFolder), "styles", ...own, `${name}.zst`)));
  if (createHash("sha256").update(text).digest("hex") !== name) throw new Error(`style ${name} is not what its name says`);
  return text;
}

/** Segments of decompressed frames: each ends with \n. */
function lines(raw) {
  if (raw.at(-1) !== 10) throw new Error("a frame does not end with its line");
  const found = [];
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(10, start);
    found.push(raw.subarray(start, end));
    start = end + 1;
  }
  return found;
}

/** The blobs of a session, by part and revision. Names are encoded ids; whose a blob is, its index says for certain. */
function blobsOf(lake, app, session) {
  const found = new Map();
  for (const path of readdirSync(join(lake, "replays"), { recursive: true }).sort()) {
    const name = /app_id=[^/]*\/[^/]*\.(\d+)(?:\.r(\d+))?\.jsonl\.zst$/.exec(path);
    if (!name || path.includes("/styles/")) continue;
    const blob = new Blob(join(lake, "replays", path));
    const { app_id, session_id } = blob.index;
    const place = `${name[1]}.${name[2] ?? 0}`; // a copy under legal hold has the same
    if (app_id === app && session_id === session && !found.has(place)) {
      found.set(place, { part: Number(name[1]), revision: Number(name[2] ?? 0), blob });
    } else {
      blob.close();
    }
  }
  return [...found.values()].sort((a, b) => a.part - b.part || a.revision - b.revision).map(({ blob }) => blob);
}

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19) || major === 23 || (major === 24 && minor < 6)) {
  console.error(`Node ${process.version} has no zstd with dictionaries: 24.6 or newer is needed`);
  process.exit(3);
}
const [lake, app, session, option] = process.argv.slice(2);
if (!session || (option && option !== "--picture")) {
  console.error("usage: node replay_reader.mjs LAKE APP SESSION [--picture]");
  process.exit(2);
}
const blobs = blobsOf(lake, app, session);
if (!blobs.length) {
  console.error(`no replay of session ${session} in app ${app}`);
  process.exit(1);
}
for (const blob of option ? blobs.slice(0, 1) : blobs) {
  for (const segment of option ? blob.picture() : blob.segments()) {
    process.stdout.write(segment);
    process.stdout.write("\n");
  }
}
const sum = (name) => blobs.reduce((total, { ranges }) => total + ranges[name], 0);
console.error(`${blobs.length} files, ${sum("requests")} requests, ${sum("bytes")} bytes`);
