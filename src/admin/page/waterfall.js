// The queries of a request against time. Repeats of one statement are one row, the app's own time is the space between.

import { h } from "./dom.js";
import { count, plural, seconds } from "./format.js";
import { link } from "./place.js";
import { sql } from "./sql.js";

// A pause that is worth a row of its own, as a share of the whole.
const GAP = 0.04;
const TICKS = 4;

export function waterfall(request) {
  const shown = request.timeline;
  const end = Math.max(request.duration_seconds, ...shown.map((one) => one.start_seconds + one.seconds), 1e-9);
  const missing = request.timeline_queries_left_out;
  return [
    h("h3", {}, "Queries in order"),
    missing
      ? h("p", { class: "notice warning" }, `${plural(missing, "query", "queries")} of this request are left out here: pgscope keeps its first ones. All are counted above.`)
      : null,
    shown.length ? null : h("p", { class: "empty" }, "pgscope has kept no query of this request."),
    shown.length
      ? h("div", { class: "waterfall" }, axis(end), transactions(request.transactions, end), h("ol", {}, rows(shown, end)))
      : null,
    shown.some((one) => one.calls > 1)
      ? h("p", { class: "quiet" }, "×: repeats of one statement in one row; strong is the time in the database, pale the app between them.")
      : null,
  ].filter(Boolean);
}

function axis(end) {
  const ticks = Array.from({ length: TICKS + 1 }, (_, index) => {
    const tick = h("span", {}, seconds((end * index) / TICKS));
    tick.style.left = `${(100 * index) / TICKS}%`;
    return tick;
  });
  return h("div", { class: "line axis", "aria-hidden": "true" }, h("span", { class: "label" }), h("div", { class: "track" }, ticks));
}

function bar(kind, start, length, end) {
  // A transaction may have begun before the first query.
  const from = Math.max(0, start);
  const node = h("span", { class: kind });
  node.style.left = `${Math.min(99.6, (100 * from) / end)}%`;
  node.style.width = `${Math.max(0.4, (100 * (Math.min(end, start + length) - from)) / end)}%`;
  return node;
}

function transactions(list, end) {
  if (!list.length) return null;
  const bars = list.map((one) => {
    const ended = one.committed ? "committed" : "rolled back";
    const node = bar(`transaction ${one.committed ? "" : "undone"}`, one.start_seconds, one.seconds, end);
    node.title = `${plural(one.queries, "query", "queries")}, ${seconds(one.seconds)}, ${ended}; ${seconds(one.idle_seconds)} idle in it`;
    return node;
  });
  const undone = list.filter((one) => !one.committed).length;
  const idle = list.reduce((sum, one) => sum + one.idle_seconds, 0);
  const label = h(
    "span",
    { class: "label" },
    h("b", {}, plural(list.length, "transaction")),
    h("small", {}, `${undone ? `${count(undone)} rolled back, ` : ""}${seconds(idle)} idle in ${list.length === 1 ? "it" : "them"}`),
  );
  return h("div", { class: "line" }, label, h("div", { class: "track" }, bars));
}

function rows(list, end) {
  let at = 0;
  return list.flatMap((one) => {
    const pause = one.start_seconds - at;
    const row = queryRow(one, end);
    const gap = pause / end >= GAP ? gapRow(at, pause, end) : null;
    at = Math.max(at, one.start_seconds + one.seconds);
    return [gap, row].filter(Boolean);
  });
}

function gapRow(start, length, end) {
  return h(
    "li",
    { class: "line gap" },
    h("span", { class: "label" }, `app, ${seconds(length)}`),
    h("div", { class: "track" }, bar("pause", start, length, end)),
  );
}

function queryRow(one, end) {
  const folded = one.calls > 1;
  const share = one.seconds > 0 ? Math.min(1, one.database_seconds / one.seconds) : 1;
  const mark = bar(`mark ${one.verb.toLowerCase()}${folded ? " folded" : ""}${one.errors ? " failed" : ""}`, one.start_seconds, one.seconds, end);
  const inner = h("span", { class: "database" });
  inner.style.width = `${100 * share}%`;
  mark.append(inner);
  const label = h(
    "summary",
    { class: "label" },
    h("b", {}, [one.verb, one.table].filter(Boolean).join(" ") || "statement that is no longer kept"),
    folded ? h("span", { class: "times" }, `×${count(one.calls)}`) : null,
    one.errors ? h("span", { class: "pill critical" }, plural(one.errors, "error")) : null,
    h("small", {}, [seconds(one.database_seconds), plural(one.rows, "row"), one.callsite].filter(Boolean).join(" · ")),
  );
  const where = one.in_transaction ? "in a transaction" : "outside a transaction";
  const said = folded
    ? `${count(one.calls)} in ${seconds(one.seconds)}, of it ${seconds(one.database_seconds)} in the database; ${where}.`
    : `${seconds(one.database_seconds)} in the database, begun after ${seconds(one.start_seconds)}; ${where}.`;
  return h(
    "li",
    { class: "line" },
    h("details", {}, label, h("p", {}, said, " ", h("a", { href: link("statements", one.fingerprint, {}) }, "Statement")), one.query ? sql(one.query) : null),
    h("div", { class: "track", "aria-hidden": "true" }, mark),
  );
}
