// The row of filters. Each tab shows those that mean something there; all of them live in the hash.

import { h, keyed, say, set } from "./dom.js";
import { title } from "./format.js";
import { live, on } from "./live.js";
import { filterBy, onPlace, place } from "./place.js";

const OF_TAB = {
  findings: ["text", "route", "database", "verb", "detector"],
  requests: ["text", "route", "database", "detector", "duration"],
  statements: ["text", "database", "verb", "detector", "duration"],
  sessions: ["text", "database"],
  health: [],
};
const VERBS = ["SELECT", "INSERT", "UPDATE", "DELETE", "COPY"];
const DURATIONS = [1, 10, 100, 1000];

// What has been seen, to choose from.
const seen = { route: new Set(), database: new Set(), detector: new Set(), verb: new Set(VERBS) };
const CHOICES = 500;

export function notice(entries) {
  for (const entry of entries) {
    for (const name of ["route", "database", "detector"]) {
      if (entry[name] && seen[name].size < CHOICES) seen[name].add(entry[name]);
    }
  }
}

export function chosen(name) {
  return OF_TAB[place().tab].includes(name) ? place().filters[name] ?? "" : "";
}

export function anyChosen() {
  return OF_TAB[place().tab].some((name) => place().filters[name]);
}

// Whether the entry's texts contain what is searched for.
export function hasText(...texts) {
  const wanted = chosen("text").toLowerCase();
  return !wanted || texts.some((text) => text?.toLowerCase().includes(wanted));
}

export function hasRoute(route) {
  const wanted = chosen("route");
  return !wanted || (seen.route.has(wanted) ? route === wanted : route.includes(wanted));
}

// For the API, which knows whole routes only.
export function wholeRoute() {
  return seen.route.has(chosen("route")) ? chosen("route") : "";
}

export function is(name, value) {
  return !chosen(name) || value === chosen(name);
}

export function isSlow(seconds) {
  return !chosen("duration") || seconds * 1000 >= Number(chosen("duration"));
}

export function startFilter(bar) {
  const fields = {
    text: field("text", "Search", h("input", { type: "search", placeholder: "Search  ( / )", "aria-keyshortcuts": "/" })),
    route: field("route", "Route", h("input", { list: "routes", placeholder: "any" })),
    database: field("database", "Database", h("select")),
    verb: field("verb", "Verb", h("select")),
    detector: field("detector", "Detector", h("select")),
    duration: field("duration", "At least", h("select")),
  };
  const routes = h("datalist", { id: "routes" });
  const more = h("button", { type: "button", class: "more", "aria-expanded": "false" }, "Filters");
  more.addEventListener("click", () => set(more, "aria-expanded", String(bar.classList.toggle("all"))));
  const clear = h("button", { type: "button", class: "clear", click: () => clearAll(fields.text.input) }, "Clear");
  const [first, ...others] = Object.values(fields).map((one) => one.node);
  bar.append(first, more, ...others, clear, routes);

  function show() {
    const shown = OF_TAB[place().tab];
    for (const [name, one] of Object.entries(fields)) {
      set(one.node, "hidden", !shown.includes(name));
      const value = place().filters[name] ?? "";
      offer(name, one.input, value);
      if (one.input !== document.activeElement && one.input.value !== value) one.input.value = value;
      set(one.node, "class", `field ${name} ${value ? "chosen" : ""}`);
    }
    set(clear, "hidden", !anyChosen());
    set(bar, "hidden", shown.length === 0);
    keyed(routes, [...seen.route].sort(), String, (route) => ({ node: h("option", { value: route }), update() {} }));
  }
  onPlace(show);
  for (const name of ["findings", "requests"]) {
    on(name, () => {
      notice(live[name]);
      show();
    });
  }
  show();
}

function field(name, label, input) {
  const id = `filter-${name}`;
  set(input, "id", id);
  set(input, "autocomplete", "off");
  // Typing is one step of Back, not one for each letter.
  input.addEventListener("input", () => filterBy({ [name]: input.value }, { replace: true }));
  return { input, node: h("div", { class: "field" }, h("label", { for: id }, label), input) };
}

function offer(name, select, value) {
  if (select.tagName !== "SELECT") return;
  const values = name === "duration" ? DURATIONS.map(String) : [...seen[name]].sort();
  if (value && !values.includes(value)) values.push(value);
  keyed(select, ["", ...values], String, (one) => {
    const node = h("option", { value: one });
    say(node, one === "" ? "any" : name === "duration" ? `${one} ms` : name === "detector" ? title(one) : one);
    return { node, update() {} };
  });
}

function clearAll(text) {
  filterBy(Object.fromEntries(OF_TAB[place().tab].map((name) => [name, ""])));
  text.focus();
}
