// Which page, which line, which fix: one card for each cause, the worst first.

import { sparkline } from "./chart.js";
import { h, keyed, replace, say, set } from "./dom.js";
import { anyChosen, hasRoute, hasText, is } from "./filter.js";
import { fixOf } from "./fix.js";
import { CONFIDENCE, ago, count, exact, plural, seconds, title, words } from "./format.js";
import { SPAN, cause, trend } from "./history.js";
import { live, now } from "./live.js";
import { go, link, place } from "./place.js";
import { sql, verb } from "./sql.js";
import { LIMIT } from "./table.js";

const SEVERITIES = ["critical", "warning", "info"];

const EVIDENCE = {
  proven: ["proven", "Its values are, in order, those of a column of an earlier result of the request."],
  run: ["seen in a run", "The same query several times in a row, with other values."],
  count: ["counted", "The query ran often in one request, not always in a row."],
  measured: ["measured", "A figure passed its limit."],
};

export function worstFirst(a, b) {
  return (
    SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
    b.wasted_seconds - a.wasted_seconds ||
    b.count - a.count
  );
}

// A short name for a link: the cause itself is long.
export function name(finding) {
  let hash = 0x811c9dc5;
  for (const letter of cause(finding)) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  return `${finding.detector}-${(hash >>> 0).toString(16)}`;
}

export function routeOf(finding) {
  return finding.route === "-" ? "the whole deployment" : finding.route;
}

function matches(finding) {
  return (
    hasText(finding.route, finding.callsite, finding.fix, finding.query, finding.parent, finding.relation, words(finding.detector)) &&
    hasRoute(finding.route) &&
    is("database", finding.database) &&
    is("detector", finding.detector) &&
    is("verb", verb(finding.query))
  );
}

export function findingsView(view) {
  const list = h("div", { class: "findings" });
  const empty = h("div", { class: "empty" });
  const foot = h("p", { class: "foot" });
  view.append(empty, list, foot);
  let opened = "";

  function show() {
    if (!live.findings) return replace(empty, h("p", {}, "Waiting for pgscope…"));
    const all = live.findings.filter(matches).sort(worstFirst);
    const shown = all.slice(0, LIMIT);
    keyed(list, shown, cause, card);
    replace(empty, shown.length ? null : nothing());
    const cut = live.findings.length >= 200 ? " pgscope sends the 200 worst; there may be more." : "";
    say(foot, shown.length ? `${plural(all.length, "cause")}, the worst first.${cut}` : "");
    if (place().open !== opened) {
      opened = place().open;
      const target = list.querySelector(`[data-name="${CSS.escape(opened)}"]`);
      if (!target && opened) {
        opened = "";
        say(foot, `The finding of this link is not here${anyChosen() ? ", or the filter hides it" : " any more"}. ${foot.textContent}`);
      }
      if (target) reveal(target);
    }
  }
  return { show, on: ["findings", "overview"] };
}

function reveal(target) {
  target.querySelector("details").open = true;
  target.querySelector("h2 a").focus({ preventScroll: true });
  target.scrollIntoView({ block: "center" });
}

function nothing() {
  if (anyChosen()) return h("p", {}, "No finding matches the filter.");
  const requests = live.overview?.requests_total ?? 0;
  if (requests) return h("p", {}, `Nothing found in ${plural(requests, "request")}. Visit more pages of your app.`);
  return [
    h("p", {}, "No request has come yet."),
    h("p", {}, "Point HOST and PORT of Django’s DATABASES at pgscope and open a page of your app."),
  ];
}

function card(first) {
  let finding = first;
  const severity = h("span", { class: `pill ${first.severity}` });
  const heading = h("a", { href: link("findings", name(first)), "data-rove": true });
  const kind = h("span", { class: "kind" });
  const wasted = h("b");
  const route = h("code");
  const line = h("dd");
  const fix = fixOf(() => finding.fix);
  const figures = h("span");
  const evidence = h("span");
  const seen = h("span", { class: "seen" });
  const spark = sparkline("trend");
  const query = h("details", { class: "fold" }, h("summary", {}, "Query"));
  const statement = h("a", {}, "Statement");
  const requests = h("a", {}, "Requests of this page");
  const node = h(
    "article",
    { class: "finding", "data-name": name(first) },
    h(
      "header",
      {},
      severity,
      h("h2", {}, heading, kind),
      h("span", { class: "wasted", title: "Time that the fix would save, all requests together" }, wasted, " wasted"),
    ),
    h(
      "dl",
      { class: "answer" },
      h("div", {}, h("dt", {}, "Page"), h("dd", {}, route)),
      h("div", {}, h("dt", {}, "Line"), line),
      h("div", {}, h("dt", {}, "Fix"), h("dd", {}, fix.node)),
    ),
    h(
      "div",
      { class: "facts" },
      figures,
      evidence,
      seen,
      h("span", { class: "trend", title: `Requests in which it held, ${SPAN}` }, spark.node),
    ),
    h("footer", {}, query, h("span", { class: "ways" }, statement, requests)),
  );
  // A click on the heading of an open card closes it, as on any fold.
  heading.addEventListener("click", (event) => {
    if (place().open !== name(finding)) return;
    event.preventDefault();
    query.open = false;
    go({ open: "" });
  });

  function update(next) {
    finding = next;
    set(node, "class", `finding ${finding.severity}`);
    set(severity, "class", `pill ${finding.severity}`);
    say(severity, finding.severity);
    say(heading, title(finding.detector));
    set(heading, "href", link("findings", name(finding)));
    say(kind, [words(finding.kind), finding.relation].filter(Boolean).join(" · "));
    say(wasted, seconds(finding.wasted_seconds));
    say(route, routeOf(finding));
    whereOf(line, finding);
    fix.update();
    const each = finding.count / Math.max(1, finding.requests);
    say(
      figures,
      `${plural(finding.count, "query", "queries")} in ${plural(finding.requests, "request")}` +
        (finding.requests > 1 ? `, ${count(Math.round(each))} each` : ""),
    );
    const [sure, why] = EVIDENCE[finding.evidence] ?? [finding.evidence, ""];
    const trust = CONFIDENCE[finding.boundary] ?? "unknown";
    say(evidence, `${sure}; requests told apart by ${words(finding.boundary)} (${trust})`);
    set(evidence, "title", why);
    set(evidence, "class", trust === "low" ? "doubt" : null);
    say(seen, `seen ${ago(finding.last_seen, now())}, first ${ago(finding.first_seen, now())}`);
    set(seen, "title", `First ${exact(finding.first_seen)}, last ${exact(finding.last_seen)}`);
    spark.update(trend(finding));
    query.hidden = !finding.query;
    if (finding.query && !query.querySelector("pre")) query.append(sql(finding.query));
    set(statement, "href", finding.fingerprint ? link("statements", finding.fingerprint, {}) : null);
    statement.hidden = !finding.fingerprint;
    set(requests, "href", link("requests", "", { route: finding.route }));
    requests.hidden = finding.route === "-";
  }
  return { node, update };
}

function whereOf(cell, finding) {
  if (cell.dataset.callsite === (finding.callsite ?? "")) return;
  cell.dataset.callsite = finding.callsite ?? "";
  const unknown = h("span", { class: "unknown" }, "not in the queries; ", h("code", {}, "pgscope_comments.py"), " adds it to them");
  replace(cell, finding.callsite ? h("code", {}, finding.callsite) : unknown);
}
