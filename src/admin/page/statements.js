// All statements, sorted by what they cost.

import { ask, poll } from "./api.js";
import { h, say, set } from "./dom.js";
import { anyChosen, chosen, hasText, is, isSlow } from "./filter.js";
import { count, seconds, words } from "./format.js";
import { live, paused } from "./live.js";
import { link, place } from "./place.js";
import { LIMIT, table } from "./table.js";

// A filter looks through all that pgscope keeps, which is more to send: then less often.
const ALL = 20000;
const EVERY = 4000;
const EVERY_ALL = 15000;

export function statementsView(view) {
  const empty = h("p", { class: "empty" });
  const rows = table({
    caption: "Statements",
    key: (statement) => statement.fingerprint,
    href: (statement) => link("statements", statement.fingerprint),
    order: "total",
    columns: COLUMNS,
  });
  view.append(empty, rows.node);
  let statements = null;
  let problem = "";
  const isFiltered = () => ["text", "verb", "detector", "duration"].some(chosen);

  async function fetchThem(signal) {
    const order = ORDERS.has(place().filters.order) ? place().filters.order : "total";
    try {
      const limit = isFiltered() ? ALL : LIMIT;
      statements = (await ask("statements", { limit, order, database: chosen("database") }, signal)).statements;
      problem = "";
    } catch (error) {
      if (error.name === "AbortError") throw error;
      problem = error.message;
    }
    show();
  }
  const refresh = poll(fetchThem, () => (isFiltered() ? EVERY_ALL : EVERY), () => place().tab === "statements" && !paused());

  function show() {
    const list = (statements ?? []).filter(matches);
    // A list that was cut at the limit says nothing of how many there are; the table's size does.
    const kept = live.overview?.tables.find((one) => one.table === "statements")?.entries ?? 0;
    const of = isFiltered() || chosen("database") ? list.length : Math.max(kept, list.length);
    rows.update(list, { of, what: "statements" });
    const none = anyChosen() ? "No statement matches the filter." : "No statement has come yet.";
    say(empty, list.length ? "" : problem || (statements ? none : "Waiting for pgscope…"));
  }
  return { show, arrive: refresh, on: [] };
}

function raised(detector) {
  const named = (live.findings ?? []).filter((finding) => finding.detector === detector);
  return new Set(named.map((finding) => finding.fingerprint));
}

function matches(statement) {
  return (
    hasText(statement.query, statement.table, statement.fingerprint) &&
    is("verb", statement.verb) &&
    isSlow(statement.p99) &&
    (!chosen("detector") || raised(chosen("detector")).has(statement.fingerprint))
  );
}

function found(statement) {
  const detectors = (live.findings ?? []).filter((finding) => finding.fingerprint === statement.fingerprint);
  return [...new Set(detectors.map((finding) => words(finding.detector)))].join(", ");
}

const COLUMNS = [
  {
    title: "Statement",
    class: "statement",
    link: true,
    fill(cell, statement) {
      if (!cell.firstChild) cell.append(h("b"), h("span", { class: "excerpt" }), h("span", { class: "tag" }));
      const [name, text, tag] = cell.children;
      say(name, [statement.verb, statement.table].filter(Boolean).join(" "));
      say(text, statement.query);
      say(tag, found(statement));
      set(tag, "hidden", !found(statement));
    },
  },
  { title: "Calls", order: "calls", number: true, text: (statement) => count(statement.calls) },
  { title: "Total", order: "total", number: true, text: (statement) => seconds(statement.total_seconds) },
  { title: "Mean", order: "mean", number: true, wide: true, text: (statement) => seconds(statement.mean_seconds) },
  { title: "p99", order: "p99", number: true, text: (statement) => seconds(statement.p99) },
  { title: "Max", order: "max", number: true, wide: true, text: (statement) => seconds(statement.max) },
  { title: "Rows", order: "rows", number: true, wide: true, text: (statement) => count(statement.rows) },
  { title: "Errors", number: true, wide: true, text: (statement) => count(statement.errors) },
];
const ORDERS = new Set(COLUMNS.map((column) => column.order).filter(Boolean));
