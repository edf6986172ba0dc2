// The last requests as they close, or the worst of each route.

import { poll, ask } from "./api.js";
import { h, keyed, say, set } from "./dom.js";
import { anyChosen, chosen, hasRoute, hasText, is, isSlow, notice, wholeRoute } from "./filter.js";
import { clock, count, exact, plural, seconds, title, words } from "./format.js";
import { add, live, paused } from "./live.js";
import { filterBy, link, place } from "./place.js";
import { table } from "./table.js";

const ORDERS = { recent: "Recent", slowest: "Slowest", queries: "Most queries" };
const FETCHED = 500;
const EVERY = 5000;

export function requestsView(view) {
  const orders = Object.entries(ORDERS).map(([order, label]) =>
    h("button", { type: "button", click: () => filterBy({ order: order === "recent" ? "" : order }), "data-order": order }, label),
  );
  const held = h("button", { type: "button", class: "held", click: release }, "");
  const note = h("p", { class: "note" });
  const empty = h("p", { class: "empty" });
  const rows = table({
    caption: "Requests",
    key: (request) => request.id,
    href: (request) => link("requests", request.id),
    columns: COLUMNS,
  });
  view.append(h("div", { class: "bar" }, h("div", { class: "segments", role: "group", "aria-label": "Order" }, orders), held, note), empty, rows.node);

  let worst = [];
  let shown = null;
  let problem = "";

  // Whoever reads a row should not have it run away: new ones wait while pointer or focus is on the list.
  const isHeld = () => rows.body.matches(":hover") || rows.body.contains(document.activeElement);
  rows.node.addEventListener("pointerleave", () => setTimeout(show));
  rows.node.addEventListener("focusout", () => setTimeout(show));

  function release() {
    shown = null;
    show();
  }

  function order() {
    return ORDERS[place().filters.order] ? place().filters.order : "recent";
  }

  async function fetchThem(signal) {
    if (paused() && order() === "recent") return show();
    const given = { limit: FETCHED, order: order(), database: chosen("database"), route: wholeRoute() };
    try {
      const { requests } = await ask("requests", given, signal);
      problem = "";
      notice(requests);
      if (given.order === "recent") add(requests);
      else worst = requests;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      problem = error.message;
    }
    show();
  }
  const refresh = poll(fetchThem, () => EVERY, () => place().tab === "requests" && !paused());

  function show() {
    for (const button of orders) set(button, "aria-pressed", String(button.dataset.order === order()));
    const all = (order() === "recent" ? live.requests : worst).filter(matches);
    const fresh = shown && order() === "recent" && isHeld() ? all.filter((one) => one.id > shown).length : 0;
    held.hidden = !fresh;
    say(held, `${count(fresh)} newer waiting – show`);
    const list = fresh ? all.filter((one) => one.id <= shown) : all;
    shown = list[0]?.id ?? null;
    rows.update(list, { what: "requests" });
    say(empty, list.length ? "" : problem || (anyChosen() ? "No request matches the filter." : "No request has come yet."));
    say(note, problem && list.length ? problem : noteOf(order()));
  }

  return { show, arrive: refresh, on: ["requests", "state"] };
}

function noteOf(order) {
  if (order !== "recent") return "The worst of each route in the last 15 minutes, worst first.";
  return live.notSent ? `${plural(live.notSent, "more request")} came too fast to be listed here; they are counted.` : "";
}

function matches(request) {
  return (
    hasText(request.route, ...(request.findings ?? []).map(words)) &&
    hasRoute(request.route) &&
    is("database", request.database) &&
    isSlow(request.duration_seconds) &&
    (!chosen("detector") || request.findings?.includes(chosen("detector")))
  );
}

function fillFindings(cell, request) {
  keyed(cell, request.findings ?? [], String, (detector) => ({ node: h("span", { class: "tag" }, title(detector)), update() {} }));
}

function fillSplit(cell, request) {
  const bar = cell.firstChild ?? cell.appendChild(h("span", { class: "split" }, h("span")));
  const share = request.duration_seconds ? request.database_seconds / request.duration_seconds : 0;
  bar.firstChild.style.width = `${Math.min(100, 100 * share)}%`;
  set(bar, "title", `${seconds(request.database_seconds)} of ${seconds(request.duration_seconds)} in the database`);
}

function fillBoundary(cell, entry) {
  say(cell, `${words(entry.boundary)}${entry.confidence === "low" ? " ⚠" : ""}`);
  set(cell, "title", `Confidence ${entry.confidence}`);
}

const COLUMNS = [
  {
    title: "Time",
    class: "time",
    wide: true,
    fill(cell, request) {
      say(cell, clock(request.at));
      set(cell, "title", exact(request.at));
    },
  },
  { title: "Route and findings", class: "route", link: true, text: (request) => request.route, also: fillFindings },
  { title: "Queries", number: true, text: (request) => count(request.queries) },
  { title: "Database", number: true, wide: true, text: (request) => seconds(request.database_seconds) },
  { title: "Total", number: true, text: (request) => seconds(request.duration_seconds) },
  { title: "Share", wide: true, class: "share", hint: "Share of the time spent in the database", fill: fillSplit },
  { title: "Told apart by", wide: true, fill: fillBoundary },
];
