// The recorded page at a moment as markup: what scripts, form fields and scrolling have made of it stands in it, nothing
// runs, nothing is loaded. It is taken from the page on the stage, so what the SDK masked or left out is not in it either.

const XHTML = "http://www.w3.org/1999/xhtml";
const SVG = "http://www.w3.org/2000/svg";
const DROPPED = new Set(["script", "noscript", "template", "iframe", "frame", "object", "embed", "base", "meta", "link", "title"]);
const NAME = /^[A-Za-z_][\w.-]*(:[A-Za-z_][\w.-]*)?$/; // of attributes and elements that XML can hold
const inert = document.implementation.createHTMLDocument(""); // in which nothing loads
const FORBIDDEN = /[^\t\n\r\u0020-\ufffd]/g; // characters that XML cannot hold

/** `{width, height, html, svg}`: as a document of its own, and as a picture. `pointer`: `{x, y}` or undefined. */
export function still(iframe, { width, height }, pointer) {
  const page = iframe.contentDocument;
  const view = iframe.contentWindow;
  const root = clone(page.documentElement, view);
  const sheets = [...page.styleSheets, ...(page.adoptedStyleSheets ?? [])].map(rules).filter(Boolean);
  const head = inert.createElementNS(XHTML, "head");
  for (const text of sheets) {
    const style = inert.createElementNS(XHTML, "style");
    style.textContent = text.replaceAll("</", "<\\/");
    head.append(style);
  }
  root.querySelector("head")?.remove();
  root.prepend(head);
  place(root, page, view, { width, height });
  if (pointer) root.append(dot(pointer));
  const markup = new XMLSerializer().serializeToString(root).replace(FORBIDDEN, "");
  const size = view.getComputedStyle(page.documentElement).fontSize;
  const svg = `<svg xmlns="${SVG}" width="${width}" height="${height}" style="font-size:${size}"><foreignObject x="0" y="0" width="${width}" height="${height}">${markup}</foreignObject></svg>`;
  return { width, height, html: root.outerHTML, svg };
}

/** Rules as they are now; those that scripts have added stand in no text. A sheet of another origin cannot be read. */
function rules(sheet) {
  if (sheet.disabled) return "";
  const media = sheet.media?.mediaText;
  let text;
  try {
    text = [...sheet.cssRules].map((rule) => rule.cssText).join("\n");
  } catch (error) {
    if (error.name === "SecurityError") return "";
    throw error;
  }
  return media ? `@media ${media} {\n${text}\n}` : text;
}

/** A copy of an element without what would run or load; shadow trees become part of the page, with their looks written out. */
function clone(element, view, isShadow = false) {
  const tag = element.localName;
  const copy = inert.createElementNS(element.namespaceURI, NAME.test(tag) ? tag : "span");
  for (const { name, value } of element.attributes) {
    if (NAME.test(name) && !name.toLowerCase().startsWith("on") && !name.startsWith("xmlns")) setAttribute(copy, name, value);
  }
  if (isShadow) copy.setAttribute("style", looks(element, view));
  fields(element, copy);
  const isSlot = tag === "slot" && isShadow && element.assignedNodes().length > 0;
  const inner = isSlot ? element.assignedNodes() : (element.shadowRoot ?? element).childNodes;
  const shift = element.scrollTop || element.scrollLeft ? `${-element.scrollLeft}px ${-element.scrollTop}px` : "";
  for (const node of inner) {
    if (node.nodeType === Node.TEXT_NODE) copy.append(tag === "style" ? "" : node.data);
    if (node.nodeType !== Node.ELEMENT_NODE) continue;
    const child = DROPPED.has(node.localName) || node.localName === "style" ? hole(node, view) : clone(node, view, isSlot ? false : isShadow || Boolean(element.shadowRoot));
    if (!child) continue;
    if (shift && element !== element.ownerDocument.documentElement && element !== element.ownerDocument.body) child.style?.setProperty("translate", shift);
    copy.append(child);
  }
  return copy;
}

/** Frames of the page are not part of the still: a hatched box stands for them. */
function hole(element, view) {
  if (!["iframe", "frame", "object", "embed"].includes(element.localName)) return null;
  const box = inert.createElementNS(XHTML, "span");
  const { width, height } = view.getComputedStyle(element);
  box.setAttribute("style", `display:inline-block;width:${width};height:${height};background:repeating-linear-gradient(45deg,#8883 0 6px,#8881 6px 12px)`);
  box.textContent = "frame";
  return box;
}

/** What was typed, ticked and chosen is a property of an element, not part of its markup. */
function fields(element, copy) {
  const { localName: tag } = element;
  if (tag === "input" && ["checkbox", "radio"].includes(element.type)) copy.toggleAttribute("checked", element.checked);
  else if (tag === "input" && element.type === "password") copy.removeAttribute("value");
  else if (tag === "input") copy.setAttribute("value", element.value.replace(FORBIDDEN, ""));
  else if (tag === "textarea") copy.textContent = element.value;
  else if (tag === "option") copy.toggleAttribute("selected", element.selected);
  else if (tag === "details" || tag === "dialog") copy.toggleAttribute("open", element.open);
  for (const flag of ["checked", "selected", "open"]) if (copy.hasAttribute(flag)) copy.setAttribute(flag, flag);
}

function setAttribute(copy, name, value) {
  const text = value.replace(FORBIDDEN, "");
  if (name.startsWith("xlink:")) copy.setAttributeNS("http://www.w3.org/1999/xlink", name, text);
  else if (!name.includes(":") || name.startsWith("xml:")) copy.setAttribute(name, text);
}

function looks(element, view) {
  const style = view.getComputedStyle(element);
  return [...style].map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
}

/** The copy stands where the page was scrolled to, on the page's own ground. */
function place(root, page, view, { width, height }) {
  const isClear = (element) => element && /^(rgba\(0, 0, 0, 0\)|transparent)$/.test(view.getComputedStyle(element).backgroundColor) && view.getComputedStyle(element).backgroundImage === "none";
  const style = root.style;
  style.setProperty("display", "block");
  style.setProperty("width", `${width}px`);
  style.setProperty("min-height", `${height}px`);
  style.setProperty("margin", `${-view.scrollY}px 0 0 ${-view.scrollX}px`);
  style.setProperty("overflow", "visible");
  if (isClear(page.documentElement)) style.setProperty("background", isClear(page.body) ? "#fff" : view.getComputedStyle(page.body).background);
}

function dot({ x, y }) {
  const mark = inert.createElementNS(XHTML, "span");
  mark.setAttribute("style", `position:fixed;left:${x - 7}px;top:${y - 7}px;width:14px;height:14px;border-radius:50%;background:#0d9488aa;border:2px solid #fff;box-sizing:border-box;z-index:2147483647`);
  return mark;
}
