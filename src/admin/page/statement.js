// One statement: how long it takes, what it returns, its text, who names it.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { count, percent, plural, seconds, title } from "./format.js";
import { name, routeOf, worstFirst } from "./findings.js";
import { fixOf } from "./fix.js";
import { live } from "./live.js";
import { link } from "./place.js";
import { sql } from "./sql.js";

export async function statement(fingerprint, signal) {
  const { statement: entry } = await ask(`statements/${encodeURIComponent(fingerprint)}`, {}, signal);
  const heading = [entry.verb, entry.table].filter(Boolean).join(" ");
  return { title: heading, kind: "Statement", parts: [facts(entry), sql(entry.query), ...latencies(entry), ...named(entry)] };
}

function facts(entry) {
  const fact = (label, value, hint) => h("div", { title: hint }, h("dt", {}, label), h("dd", {}, value));
  return h(
    "dl",
    { class: "factsheet" },
    fact("Calls", count(entry.calls)),
    fact("Total", seconds(entry.total_seconds)),
    fact("Mean", seconds(entry.mean_seconds)),
    fact("Median", seconds(entry.p50)),
    fact("p90", seconds(entry.p90)),
    fact("p99", seconds(entry.p99)),
    fact("Max", seconds(entry.max)),
    fact("Rows", `${count(entry.rows)} (${(entry.rows / Math.max(1, entry.calls)).toFixed(1)} a call)`),
    fact("Rows a call", rowsOf(entry.rows_per_call), "median, 99th percentile, most"),
    fact("Errors", count(entry.errors)),
    fact("Fingerprint", h("code", {}, entry.fingerprint)),
  );
}

function rowsOf({ p50, p99, max }) {
  return `${count(p50)} · p99 ${count(p99)} · max ${count(max)}`;
}

// The server's buckets are finer than an eye needs: those up to 1, 2 and 5 of each power of ten are one bar, named by
// the exact end of the last of them.
function bars(histogram) {
  const merged = new Map();
  for (const { upper_seconds: upper, count: calls } of histogram) {
    if (calls) merged.set(step(upper), { upper, calls: calls + (merged.get(step(upper))?.calls ?? 0) });
  }
  const steps = [...merged.keys()].filter(Number.isFinite);
  const shown = [];
  for (let index = Math.min(...steps); index <= Math.max(...steps); index += 1) {
    shown.push(merged.get(index) ?? { upper: bound(index), calls: 0 });
  }
  return merged.has(Infinity) ? [...shown, merged.get(Infinity)] : shown;
}

// 1, 2, 5, 10, 20, 50 and so on, counted from 1 second.
function bound(index) {
  return [1, 2, 5][((index % 3) + 3) % 3] * 10 ** Math.floor(index / 3);
}

function step(upper) {
  if (upper === null) return Infinity;
  let index = 3 * Math.floor(Math.log10(upper));
  while (bound(index) < upper * 0.999999) index += 1;
  return index;
}

function latencies(entry) {
  const shown = bars(entry.histogram);
  if (!shown.length) return [];
  const most = Math.max(...shown.map((bar) => bar.calls));
  const rows = shown.map(({ upper, calls }) => {
    const range = upper === null ? "longer" : `up to ${seconds(upper)}`;
    const bar = h("span", { class: "fill" });
    bar.hidden = !calls;
    bar.style.width = `${(100 * calls) / most}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, range),
      h("td", { class: "track" }, bar),
      h("td", { class: "number" }, count(calls)),
      h("td", { class: "number" }, percent(calls, entry.calls)),
    );
  });
  return [
    h("h3", {}, "Latency"),
    h("table", { class: "histogram" }, h("caption", { class: "visually-hidden" }, "Calls by duration"), h("tbody", {}, rows)),
  ];
}

function named(entry) {
  const findings = (live.findings ?? []).filter((finding) => finding.fingerprint === entry.fingerprint).sort(worstFirst);
  if (!findings.length) return [h("h3", {}, "Findings"), h("p", { class: "quiet" }, "No finding names this statement.")];
  const items = findings.map((finding) => {
    const fix = fixOf(() => finding.fix);
    fix.update();
    const heading = h("a", { href: link("findings", name(finding), {}) }, title(finding.detector));
    return h("li", {}, h("span", { class: `pill ${finding.severity}` }, finding.severity), " ", heading, " on ", h("code", {}, routeOf(finding)), fix.node);
  });
  return [h("h3", {}, `Named by ${plural(findings.length, "finding")}`), h("ul", { class: "raised" }, items)];
}
