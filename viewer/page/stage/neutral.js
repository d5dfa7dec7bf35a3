// Recorded pages are hostile: take out of rrweb events whatever would run, navigate or call out.
// The frame's sandbox and the stage's Content-Security-Policy forbid the same again; this comes first, and it also stops
// what no policy covers (name look-ups of links) and keeps blocked images from leaving gaps without a word.

const FULL_SNAPSHOT = 2;
const INCREMENTAL = 3;
const SOURCE = { mutation: 0, resize: 4, styleRule: 8, canvas: 9, font: 10, styleDeclaration: 13, adoptedStyles: 15 };
const ELEMENT = 2;
const TEXT = 3;

const LARGEST = 16_384; // pixels: what claims to be larger would take the watcher's memory
const META = 4;
const PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
const IMAGES = new Set(["img", "image", "feimage", "input", "video"]);
const LOADING = new Set(["src", "srcset", "imagesrcset", "poster", "background", "data", "lowsrc", "dynsrc", "rr_src", "rr_dataurl", "code", "object", "xlink:href"]);
const GOING = new Set(["href", "action", "formaction", "ping", "target", "manifest", "codebase", "archive", "classid", "profile", "longdesc", "cite"]);
const DROPPED = new Set(["srcdoc", "http-equiv", "nonce", "integrity", "is", "autofocus", "autoplay", "popovertarget", "commandfor", "attributionsrc"]);
const FONT = /\.(woff2?|ttf|otf|eot)\b/i;
const WITHOUT_CONTENT = new Set(["script", "noscript", "template"]);

/** `neutral(event)` changes the event in place. `allowed` are origins whose images, styles and fonts may be loaded;
 * `lacks(kind, origin)` hears of each image, font, style sheet and canvas that will not be seen. */
export function neutraliser(allowed = [], lacks = (_kind, _origin) => {}) {
  const origins = new Set(allowed);
  const styles = new Set(); // ids of style elements and their texts
  const tags = new Map(); // id → tag: a changed attribute does not say of which element

  function mayLoad(address) {
    const text = address.trim();
    if (text === "" || text.startsWith("#") || /^data:(image|font|audio|video|application\/(x-)?font)/i.test(text)) return true;
    try {
      return origins.has(new URL(text).origin); // relative addresses would be ours: they throw here
    } catch {
      return false;
    }
  }

  /** Whether an address may be loaded; one that may not is told. */
  function loads(address, kind) {
    if (mayLoad(address)) return true;
    lacks(kind, originOf(address));
    return false;
  }

  function css(text) {
    return text
      .replace(/@import\s+(url\(\s*)?("[^"]*"|'[^']*'|[^;)]*)[^;]*;?/gi, (all, _, address) => (loads(unquoted(address), "style") ? all : ""))
      .replace(/url\(\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^)]*)\)/gi, (all, address) => (loads(unquoted(address), FONT.test(address) ? "font" : "image") ? all : "none"))
      .replace(/((?:-webkit-)?image-set\()([^()]*(?:\([^()]*\)[^()]*)*)\)/gi, (all, _name, inside) => (/["'][^"']*:\/\//.test(inside) ? "none" : all));
  }

  function attribute(tag, name, value) {
    const key = name.toLowerCase();
    if (key.startsWith("on") || DROPPED.has(key)) return undefined;
    if (value === null || typeof value === "boolean" || typeof value === "number") return value;
    if (key === "style") return typeof value === "string" ? css(value) : declarations(value);
    if (typeof value !== "string") return undefined;
    if (key === "_csstext") return css(value);
    if (key === "href" && tag === "link") return mayLoad(value) && value.trim() ? value : undefined;
    if (key === "href" && IMAGES.has(tag)) return loads(value, "image") ? value : PIXEL;
    if (key === "href" && tag === "use") return value.startsWith("#") ? value : undefined;
    if (key === "content" && tag === "meta") return undefined;
    if (key === "srcset" || key === "imagesrcset") return mayLoadAll(value) ? value : undefined; // told by src, if there is one
    if (LOADING.has(key)) return loading(tag, key, value);
    if (GOING.has(key)) return key === "href" && (tag === "a" || tag === "area") ? "#" : undefined;
    if (/url\(/i.test(value)) return css(value); // fill, filter, mask, cursor of SVG
    return value;
  }

  const mayLoadAll = (set) => (/^\s*data:/i.test(set) ? origins.size === 0 && !set.includes("://") : set.split(",").every((one) => mayLoad(one.trim().split(/\s+/)[0])));

  function loading(tag, key, value) {
    if (["iframe", "frame", "embed", "object", "script", "portal", "fencedframe"].includes(tag)) return undefined;
    if (IMAGES.has(tag) ? loads(value, "image") : mayLoad(value)) return value;
    return IMAGES.has(tag) && (tag !== "video" || key === "poster") ? PIXEL : undefined;
  }

  function declarations(style) {
    if (style === null || typeof style !== "object") return undefined;
    const clean = ([name, value]) => [name, Array.isArray(value) ? [css(String(value[0])), value[1]] : typeof value === "string" ? css(value) : value];
    return Object.fromEntries(Object.entries(style).map(clean));
  }

  function attributes(tag, given, isChange = false) {
    if (tag === "canvas") given = canvas(given, isChange);
    const kept = {};
    let isBlocked = false;
    for (const [name, value] of Object.entries(given)) {
      const clean = attribute(tag, name, value);
      if (clean !== undefined) kept[name] = clean;
      isBlocked ||= (clean === PIXEL || (clean === undefined && /srcset$/i.test(name))) && IMAGES.has(tag) && !given.rr_dataURL;
    }
    if (isBlocked) kept["data-not-loaded"] = "";
    if (tag === "link" && /stylesheet/i.test(given.rel ?? "") && given.href && kept.href === undefined && given._cssText === undefined) lacks("style", originOf(given.href));
    return kept;
  }

  function node(root) {
    const open = [root];
    while (open.length) {
      const one = open.pop();
      if (one === null || typeof one !== "object") continue;
      if (one.type === ELEMENT) {
        const tag = String(one.tagName).toLowerCase();
        one.attributes = attributes(tag, one.attributes ?? {});
        tags.set(one.id, tag);
        if (tag === "style") styles.add(one.id);
        if (tag === "style") for (const text of one.childNodes ?? []) if (text) text.isStyle = true;
        if (WITHOUT_CONTENT.has(tag)) one.childNodes = [];
      } else if (one.type === TEXT && one.isStyle) {
        styles.add(one.id);
        one.textContent = css(String(one.textContent ?? ""));
      }
      if (Array.isArray(one.childNodes)) open.push(...one.childNodes);
    }
  }

  function mutation(data) {
    for (const added of data.adds ?? []) {
      if (styles.has(added.parentId) && added.node) added.node.isStyle = true;
      node(added.node);
    }
    for (const text of data.texts ?? []) if (styles.has(text.id) && typeof text.value === "string") text.value = css(text.value);
    for (const changed of data.attributes ?? []) changed.attributes = attributes(tags.get(changed.id) ?? "unknown", changed.attributes ?? {}, true);
  }

  function rules(list) {
    for (const one of list ?? []) if (typeof one.rule === "string") one.rule = css(one.rule);
  }

  return function neutral(event) {
    if (event.type === INCREMENTAL && event.data?.source === SOURCE.canvas) {
      event.data = picture(event.data);
      if (!event.data.attributes.length) lacks("canvas", "");
    }
    const { data } = event;
    if (data && (event.type === META || data.source === SOURCE.resize)) {
      for (const side of ["width", "height"]) data[side] = Math.min(LARGEST, Math.max(1, Number(data[side]) || 1));
    }
    if (event.type === FULL_SNAPSHOT) {
      styles.clear();
      tags.clear();
      node(data?.node);
    }
    if (event.type !== INCREMENTAL || !data) return event;
    if (data.source === SOURCE.mutation) mutation(data);
    if (data.source === SOURCE.styleRule) rules(data.adds);
    if (data.source === SOURCE.adoptedStyles) for (const sheet of data.styles ?? []) rules(sheet.rules);
    if (data.source === SOURCE.font) data.fontSource = data.buffer ? data.fontSource : css(String(data.fontSource ?? ""));
    for (const key of ["replace", "replaceSync"]) if (typeof data[key] === "string") data[key] = css(data[key]);
    if (data.source === SOURCE.styleDeclaration && typeof data.set?.value === "string") data.set.value = css(data.set.value);
    return event;
  };
}

/** A canvas without scripts is an empty element: its picture becomes its background, its size a default that styles of the page override. */
function canvas({ rr_dataURL: address, ...given }, isChange) {
  const style = {};
  for (const side of ["width", "height"]) if (/^\d{1,5}$/.test(given[side] ?? "")) style[`--canvas-${side}`] = `${given[side]}px`;
  if (/^data:image\/(png|jpeg|webp);base64,[\w+/=]+$/.test(address ?? "")) style["background-image"] = `url("${address}")`;
  const text = Object.entries(style)
    .map(([name, value]) => `${name}:${value}`)
    .join(";");
  if (!text) return given;
  if (typeof given.style === "string") return { ...given, style: `${given.style};${text}` };
  return { ...given, style: isChange ? { ...given.style, ...style } : text }; // a snapshot has texts only
}

/** A change of a canvas that holds the whole picture, as a change of its background; others change nothing. */
function picture({ id, commands }) {
  const drawn = Array.isArray(commands) ? commands.findLast((one) => one?.property === "drawImage")?.args?.[0] : undefined;
  const blob = drawn?.rr_type === "ImageBitmap" ? drawn.args?.[0] : undefined;
  const content = blob?.rr_type === "Blob" ? blob.data?.[0]?.base64 : undefined;
  const isImage = /^image\/(png|jpeg|webp)$/.test(blob?.type ?? "") && /^[\w+/=]+$/.test(content ?? "");
  const style = { "background-image": `url("data:${blob?.type};base64,${content}")` };
  return { source: SOURCE.mutation, texts: [], removes: [], adds: [], attributes: isImage ? [{ id, attributes: { style } }] : [] };
}

/** The origin of an address, "" when it has none. */
function originOf(address) {
  try {
    const { origin } = new URL(String(address).trim());
    return origin === "null" ? "" : origin;
  } catch {
    return "";
  }
}

const unquoted = (text) => text.trim().replace(/^(["'])(.*)\1$/s, "$2");
