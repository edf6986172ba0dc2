// Elements without markup: what comes from the wire becomes text and attributes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else set(node, name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Sets an attribute where it differs: a list is brought up to date each second, mostly with what it says already.
export function set(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value === true ? "" : value)) node.setAttribute(name, value === true ? "" : value);
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function replace(node, ...children) {
  node.replaceChildren(...children.flat().filter(Boolean));
}

const ROWS = new WeakMap();

// Brings the children of `parent` in line with `items`. `create(item)` returns `{node, update(item)}`. Nodes are kept
// by key and moved only where they must be, so that focus, selection and unfolded parts stay where they are.
export function keyed(parent, items, key, create) {
  const before = ROWS.get(parent) ?? new Map();
  const rows = new Map();
  for (const item of items) {
    const name = key(item);
    if (rows.has(name)) continue;
    const row = before.get(name) ?? create(item);
    row.update(item);
    rows.set(name, row);
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  for (const [name, row] of before) if (!rows.has(name)) row.node.remove();
  let place = parent.firstChild;
  for (const { node } of rows.values()) {
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  ROWS.set(parent, rows);
}
