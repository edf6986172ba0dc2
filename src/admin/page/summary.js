// The figures of right now, with the last minutes behind them.

import { sparkline } from "./chart.js";
import { h, say, set } from "./dom.js";
import { count, plural, rate, seconds } from "./format.js";
import { SPAN, latest, series } from "./history.js";
import { live, on } from "./live.js";

const TILES = [
  { title: "Requests", unit: "/s", series: "requests", value: rate, under: (of) => `${count(of.requests_total)} in all` },
  { title: "Queries", unit: "/s", series: "queries", value: rate, under: perRequest },
  { title: "Database", unit: "/s", series: "database", value: seconds, under: (of) => `${seconds(of.database_seconds)} in all` },
  { title: "Errors", unit: "/s", series: "errors", value: rate, kind: "bad", under: (of) => `${count(of.errors_total)} in all` },
  { title: "Connections", value: () => count(live.overview.connections_open), under: (of) => `${count(of.connections_total)} closed` },
  { title: "Findings", value: () => count(live.findings?.length ?? 0), under: severities, class: "findings-tile" },
];

function perRequest(overview) {
  const { queries_total: queries, requests_total: requests } = overview;
  return requests ? `${rate(queries / requests)} a request` : `${count(queries)} in all`;
}

function severities() {
  const of = (severity) => (live.findings ?? []).filter((finding) => finding.severity === severity).length;
  const critical = of("critical");
  const warnings = of("warning");
  return critical || warnings ? `${count(critical)} critical, ${plural(warnings, "warning")}` : "none above info";
}

export function startSummary(section) {
  const tiles = TILES.map((tile) => {
    const value = h("b", {}, "–");
    const under = h("span", { class: "under" });
    const line = tile.series ? sparkline(tile.kind) : null;
    const node = h(
      "div",
      { class: `tile ${tile.class ?? ""}`, title: tile.series ? `Per second; the line goes back ${SPAN}.` : null },
      h("span", { class: "title" }, tile.title),
      h("span", { class: "value" }, value, tile.unit ? h("small", {}, ` ${tile.unit}`) : null),
      under,
      line?.node,
    );
    return { tile, node, value, under, line };
  });
  section.append(...tiles.map((one) => one.node));
  function show() {
    if (!live.overview) return;
    for (const { tile, node, value, under, line } of tiles) {
      say(value, tile.value(tile.series ? latest(tile.series) : undefined));
      say(under, tile.under(live.overview));
      line?.update(series(tile.series));
      if (tile.series === "errors") set(node, "class", latest("errors") > 0 ? "tile bad" : "tile");
    }
  }
  on("overview", show);
  on("findings", show);
}
