// Words, numbers and elements. Text from records comes from strangers: it becomes text nodes, never markup, and what
// would be hidden in it, or would reorder what stands around it, is made visible.

const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Text on one line, with everything visible that is not. */
function visible(text) {
  return text.replace(HIDDEN, picture);
}

/** The same for text of several lines, which may be indented. */
function visibleBlock(text) {
  return text.replace(HIDDEN, (c) => (c === "\n" || c === "\t" ? c : picture(c)));
}

function picture(c) {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[c];
  if (named) return named;
  const code = c.codePointAt(0);
  return code < 128 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

const NUMBER = new Intl.NumberFormat("en");

function number(n) {
  return NUMBER.format(n);
}

function count(n, noun) {
  return `${number(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** A length of time: `0.4s`, `42s`, `12m 04s`, `1h 02m`, `3d 01h`. */
function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days) return `${number(days)}d ${two(hours)}h`;
  if (hours) return `${hours}h ${two(minutes)}m`;
  if (minutes) return `${minutes}m ${two(whole % 60)}s`;
  return `${whole}s`;
}

/** A point in time: `2026-11-21 20:00:00`, in UTC like the records. */
function moment(milliseconds) {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}

/** An element with attributes and children; strings become text. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A part of a path as part of an address. */
function escapedPath(path) {
  const part = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return path.split("/").filter((text) => text !== "" && text !== ".").map(part).join("/");
}

/** A directory as an address that cannot be taken for a scheme. */
function directoryAddress(path) {
  return `${path.startsWith("/") ? "" : "."}/${escapedPath(path)}`;
}

/** A name as atex-exec stores it: it leads nowhere else. */
function safePath(name) {
  const parts = name.split("/").filter((part) => !["", ".", ".."].includes(part));
  return parts.map((part) => part.replace(/[\u0000-\u001f\u007f-\u009f]/g, "_")).join("/");
}

/** The address of a file of a result. */
function fileAddress(place, subtest, file) {
  const inside = [safePath(subtest), safePath(file)].filter((path) => path !== "").join("/");
  return `${directoryAddress(place)}/files/${escapedPath(inside)}`;
}
