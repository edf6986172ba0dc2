// Where the reader is: tab, open entry and filters, all in the hash, so that a link leads there and Back works.
//
//   #requests/123?route=planted%2Fforward%2F&order=slowest

export const TABS = ["findings", "requests", "statements", "sessions", "health"];
export const FILTERS = ["text", "route", "database", "verb", "detector", "duration"];
const KNOWN = [...FILTERS, "order"];

const listeners = [];
let arrived = location.hash;
let current = parse(arrived);

export function place() {
  return current;
}

export function onPlace(listener) {
  listeners.push(listener);
}

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const [tab, ...rest] = path.split("/");
  const given = new URLSearchParams(query);
  const filters = {};
  for (const name of KNOWN) if (given.get(name)) filters[name] = given.get(name);
  return { tab: TABS.includes(tab) ? tab : TABS[0], open: decode(rest.join("/")), filters };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export function hash({ tab, open = "", filters = {} }) {
  const set = Object.entries(filters).filter(([name, value]) => KNOWN.includes(name) && value);
  const query = new URLSearchParams(set).toString();
  return `#${tab}${open ? `/${encodeURIComponent(open)}` : ""}${query ? `?${query}` : ""}`;
}

// A link that keeps the filters unless it brings its own.
export function link(tab, open = "", filters = current.filters) {
  return hash({ tab, open, filters });
}

export function go(change, { replace = false } = {}) {
  const target = hash({ ...current, ...change });
  if (target === location.hash) return;
  if (replace) {
    history.replaceState(null, "", target);
  } else {
    location.hash = target;
  }
  // At once: the event comes later, and what is asked for until then starts from here.
  arrive();
}

export function filterBy(change, options) {
  const filters = { ...current.filters, ...change };
  go({ filters }, options);
}

function arrive() {
  if (location.hash === arrived) return;
  arrived = location.hash;
  const before = current;
  current = parse(location.hash);
  for (const listener of listeners) listener(current, before);
}

window.addEventListener("hashchange", arrive);
