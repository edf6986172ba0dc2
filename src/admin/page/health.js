// How pgscope itself is: what it knows, what it misses, what it costs.

import { ask, poll } from "./api.js";
import { h, keyed, replace, say, set } from "./dom.js";
import { ago, bytes, count, exact, percent, plural, seconds, title, words } from "./format.js";
import { latest } from "./history.js";
import { live, now, paused } from "./live.js";
import { RINGS, blindness, noteBoundaries, total } from "./notices.js";
import { place } from "./place.js";

const EVERY = 5000;
const PATHS = {
  "/metrics": "for Prometheus",
  "/healthz": "pgscope and the server answer",
  "/readyz": "takes connections",
  "/livez": "the process runs",
};
const LISTS = ["overview", "findings", "requests", "routes", "statements", "sessions", "boundaries"];

export function healthView(view) {
  const about = panel("pgscope", "panel tall");
  const upstreams = panel("PostgreSQL");
  const boundaries = panel("How requests are told apart", "panel broad");
  const losses = panel("What is missing");
  const tables = panel("Tables", "panel broad");
  const links = panel("Addresses");
  view.append(h("div", { class: "panels" }, about.node, upstreams.node, losses.node, boundaries.node, tables.node, links.node));
  replace(links.body, addresses());
  replace(boundaries.body, h("p", { class: "quiet" }, "Waiting for pgscope…"));
  const list = h("ul", { class: "boundaries" });
  let problem = "";

  async function fetchThem(signal) {
    try {
      const { boundaries: entries } = await ask("boundaries", {}, signal);
      noteBoundaries(entries);
      keyed(list, entries, (one) => `${one.client} ${one.database}`, boundary);
      replace(boundaries.body, entries.length ? list : h("p", { class: "quiet" }, "No request has come yet."));
      problem = "";
    } catch (error) {
      if (error.name === "AbortError") throw error;
      problem = error.message;
      replace(boundaries.body, h("p", { class: "quiet" }, problem));
    }
  }
  const refresh = poll(fetchThem, () => EVERY * (place().tab === "health" ? 1 : 2), () => !paused());

  function show() {
    if (!live.overview) return;
    facts(about.body, aboutOf(live.overview));
    servers(upstreams.body, live.overview.upstreams);
    facts(losses.body, [...lossesOf(live.overview)]);
    fills(tables.body, live.overview.tables);
  }
  return { show, arrive: refresh, on: ["overview"] };
}

function panel(heading, kind = "panel") {
  const body = h("div");
  return { body, node: h("section", { class: kind }, h("h2", {}, heading), body) };
}

function facts(body, rows) {
  const list = body.firstElementChild ?? body.appendChild(h("dl", { class: "rows" }));
  keyed(list, rows, (row) => row[0], ([label]) => {
    const value = h("dd");
    const node = h("div", {}, h("dt", {}, label), value);
    const update = ([, text, kind, hint]) => {
      say(value, text);
      set(value, "class", kind);
      set(node, "title", hint);
    };
    return { node, update };
  });
}

function aboutOf(overview) {
  const cost = overview.queries_total ? overview.profiling_seconds / overview.queries_total : NaN;
  return [
    ["Version", overview.version],
    ["Started", ago(overview.started, now()), null, exact(overview.started)],
    ["State", overview.draining ? "shutting down" : "running", overview.draining ? "doubt" : null],
    ["Profiling", overview.profiling ? "on" : "off: only forwarding", overview.profiling ? null : "doubt"],
    ["Cost of profiling", `${seconds(overview.profiling_seconds)}, ${seconds(cost)} a query`, null, "CPU time that decoding and counting took"],
    ["Cost right now", percent(latest("profiling") ?? 0, 1), null, "Share of one core"],
    ["Forwarded", `${bytes(overview.bytes.frontend)} to PostgreSQL, ${bytes(overview.bytes.backend)} back`],
    ["Seen", `${plural(overview.queries_total, "query", "queries")}, ${plural(overview.errors_total, "error")}, ${plural(overview.requests_total, "request")}`],
  ];
}

function servers(body, upstreams) {
  const state = (up) => (up === null ? ["not asked yet", null] : up ? ["answers", "good"] : ["does not answer", "bad"]);
  facts(body, upstreams.map((one) => [one.upstream, ...state(one.up)]));
}

function* lossesOf(overview) {
  const blind = total(overview.sessions_blind);
  const dropped = total(overview.events_dropped);
  yield ["Blind sessions", blind ? count(blind) : "none", blind ? "doubt" : "good", "Forwarded, but no longer decoded"];
  for (const [reason, number] of Object.entries(overview.sessions_blind)) {
    if (number) yield [`– ${blindness(reason)}`, count(number), "doubt"];
  }
  yield ["Events not counted", dropped ? count(dropped) : "none", dropped ? "doubt" : "good", "events_dropped_total: docs/metrics.md says what each reason means"];
  for (const [reason, number] of Object.entries(overview.events_dropped)) {
    if (number) yield [`– ${words(reason)}`, count(number), "doubt"];
  }
}

function fills(body, tables) {
  const list = body.firstElementChild ?? body.appendChild(h("ul", { class: "fills" }));
  keyed(list, tables, (one) => one.table, (first) => {
    const figures = h("span", { class: "figures" });
    const bar = h("span");
    const track = h("div", { class: "meter" }, bar);
    const node = h("li", {}, h("span", {}, title(first.table)), figures, track);
    const update = (one) => {
      const evicted = one.evictions && !RINGS.has(one.table) ? `, ${plural(one.evictions, "eviction")}` : "";
      say(figures, `${count(one.entries)}${one.size ? ` of ${count(one.size)}` : ""}${evicted}`);
      track.hidden = !one.size;
      bar.style.width = `${Math.min(100, (100 * one.entries) / Math.max(1, one.size))}%`;
      set(track, "class", one.evictions && !RINGS.has(one.table) ? "meter full" : "meter");
    };
    return { node, update };
  });
}

function boundary(first) {
  const mode = h("b");
  const confidence = h("span");
  const client = h("code");
  const seen = h("p", { class: "quiet" });
  const hint = h("p", { class: "hint" });
  const node = h("li", {}, h("p", {}, mode, " ", confidence), h("p", {}, client), seen, hint);
  const update = (one) => {
    say(mode, title(one.mode));
    say(confidence, `${one.confidence} confidence`);
    set(confidence, "class", `pill ${{ low: "warning", medium: "info" }[one.confidence] ?? "fine"}`);
    say(client, one.client);
    say(seen, Object.entries(one.requests).map(([kind, number]) => `${plural(number, "request")} by ${words(kind)}`).join(", "));
    say(hint, one.hint ? `Better: ${one.hint}.` : "");
    hint.hidden = !one.hint;
  };
  update(first);
  return { node, update };
}

function addresses() {
  const checks = Object.entries(PATHS).map(([path, what]) => h("li", {}, h("a", { href: path }, path), ` ${what}`));
  const lists = LISTS.map((name) => h("li", {}, h("a", { href: `/api/v1/${name}` }, `/api/v1/${name}`)));
  return h("ul", { class: "addresses" }, checks, lists);
}
