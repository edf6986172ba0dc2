// One request: what it found, where its time went, its queries in order.

import { ask } from "./api.js";
import { h } from "./dom.js";
import { clock, count, exact, percent, plural, seconds, title, words } from "./format.js";
import { live } from "./live.js";
import { link } from "./place.js";
import { name, worstFirst } from "./findings.js";
import { fixOf } from "./fix.js";
import { waterfall } from "./waterfall.js";

export async function request(id, signal) {
  try {
    const { request: entry } = await ask(`requests/${encodeURIComponent(id)}`, {}, signal);
    return { title: entry.route, kind: "Request", parts: [head(entry), found(entry), ...waterfall(entry)] };
  } catch (error) {
    // pgscope forgets the oldest; this page may still have what the list said of it.
    const entry = live.requests.find((one) => String(one.id) === id);
    if (!entry || error.name === "AbortError") throw error;
    const gone = h("p", { class: "notice warning" }, `${error.message} This is what the list said; its queries one by one are gone.`);
    return { title: entry.route, kind: "Request", parts: [gone, head(entry), found(entry), ...statements(entry)] };
  }
}

function statements(entry) {
  const rows = entry.statements.map((one) => {
    const statement = h("a", { href: link("statements", one.fingerprint, {}) }, h("code", {}, one.fingerprint));
    return h("li", {}, statement, ` ×${count(one.calls)}, ${seconds(one.seconds)}`);
  });
  return [h("h3", {}, "Its statements with most time"), h("ul", { class: "raised" }, rows)];
}

function head(entry) {
  const { duration_seconds: all, database_seconds: database, think_seconds: think } = entry;
  const fact = (label, value, hint) => h("div", { title: hint }, h("dt", {}, label), h("dd", {}, value));
  return [
    h(
      "dl",
      { class: "factsheet" },
      fact("Opened", clock(entry.opened ?? entry.at), exact(entry.opened ?? entry.at)),
      fact("Total", seconds(all), "From its first query to the end of its last"),
      fact("Database", `${seconds(database)} (${percent(database, all)})`),
      fact("App", seconds(think ?? Math.max(0, all - database)), "Time between queries, in which the app was busy"),
      fact("Queries", count(entry.queries)),
      fact("Database name", entry.database),
      fact("Told apart by", `${words(entry.boundary)} (${entry.confidence})`, "How pgscope knew where the request begins and ends"),
    ),
    split(database, all),
    entry.confidence === "low" || entry.confidence === "medium"
      ? h("p", { class: "notice quiet" }, `Where this request begins and ends is a guess of ${entry.confidence} confidence: it may hold queries of another.`)
      : null,
  ].filter(Boolean);
}

function split(database, all) {
  const share = all > 0 ? Math.min(1, database / all) : 0;
  const part = (kind, label, width) => {
    const node = h("span", { class: kind }, width > 0.12 ? label : "");
    node.style.flexGrow = String(width);
    return node;
  };
  return h(
    "div",
    { class: "timesplit", role: "img", "aria-label": `${percent(database, all)} of the time in the database` },
    part("database", "database", share),
    part("app", "app", 1 - share),
  );
}

// The request names detectors; what they say is in the findings of its route.
function found(entry) {
  if (!entry.findings?.length) return [];
  const cards = entry.findings.map((detector) => {
    const known = (live.findings ?? []).filter((one) => one.detector === detector && one.route === entry.route);
    if (!known.length) return h("li", {}, h("b", {}, title(detector)));
    return known.sort(worstFirst).map((finding) => {
      const fix = fixOf(() => finding.fix);
      fix.update();
      const heading = h("a", { href: link("findings", name(finding), {}) }, title(detector));
      return h("li", {}, h("span", { class: `pill ${finding.severity}` }, finding.severity), " ", heading, fix.node);
    });
  });
  return [h("h3", {}, `Raised ${plural(entry.findings.length, "finding")}`), h("ul", { class: "raised" }, cards.flat())];
}
