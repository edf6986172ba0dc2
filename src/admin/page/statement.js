// One statement: how long it takes, what it returns, its text, who names it.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { count, percent, plural, seconds, title } from "./format.js";
import { name, worstFirst } from "./findings.js";
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
    fact("Errors", count(entry.errors)),
    fact("Fingerprint", h("code", {}, entry.fingerprint)),
  );
}

// Only the part of the scale that has calls: an empty half says nothing.
function latencies(entry) {
  const all = entry.histogram ?? [];
  const used = all.map((bucket, index) => [bucket.count, index]).filter(([calls]) => calls);
  if (!used.length) return [];
  const from = Math.max(0, used[0][1] - 1);
  const shown = all.slice(from, used.at(-1)[1] + 2);
  const most = Math.max(...shown.map((bucket) => bucket.count));
  const rows = shown.map((bucket, index) => {
    const below = all[from + index - 1]?.upper_seconds ?? 0;
    const range = bucket.upper_seconds === null ? `over ${seconds(below)}` : `up to ${seconds(bucket.upper_seconds)}`;
    const bar = h("span", { class: "fill" });
    bar.hidden = !bucket.count;
    bar.style.width = `${(100 * bucket.count) / most}%`;
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, range),
      h("td", { class: "track" }, bar),
      h("td", { class: "number" }, count(bucket.count)),
      h("td", { class: "number" }, percent(bucket.count, entry.calls)),
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
    return h("li", {}, h("span", { class: `pill ${finding.severity}` }, finding.severity), " ", heading, " on ", h("code", {}, finding.route), fix.node);
  });
  return [h("h3", {}, `Named by ${plural(findings.length, "finding")}`), h("ul", { class: "raised" }, items)];
}
