// Says in words what is incomplete, so that no figure passes for more than it is.

import { h, keyed, say } from "./dom.js";
import { CONFIDENCE, clock, count, plural, words } from "./format.js";
import { live, on } from "./live.js";
import { link } from "./place.js";

const BLIND = {
  encrypted: "encrypted beyond pgscope",
  gss: "encrypted with GSSAPI",
  startup: "an unknown start",
  framing: "a broken frame",
  pairing: "replies that fit nothing",
  panic: "an error of pgscope",
  off: "profiling is off",
};

export function blindness(reason) {
  return BLIND[reason] ?? words(reason);
}

export function total(counts) {
  return Object.values(counts ?? {}).reduce((sum, one) => sum + one, 0);
}

function reasons(counts, name) {
  const there = Object.entries(counts).filter(([, number]) => number);
  return there.map(([reason, number]) => `${name(reason)}: ${number}`).join(", ");
}

// Tables that forget the oldest by design.
export const RINGS = new Set(["recent_requests"]);

// Share of requests that are told apart by a guess. A few are everywhere: a pause within a request is one.
const WORTH_A_WORD = 0.01;

let boundaries = [];

export function noteBoundaries(entries) {
  boundaries = entries;
}

function guesses() {
  const kinds = boundaries.flatMap((one) => Object.entries(one.requests));
  const sum = (some) => some.reduce((all, [, number]) => all + number, 0);
  return [sum(kinds.filter(([kind]) => CONFIDENCE[kind] === "low" || CONFIDENCE[kind] === "medium")), sum(kinds)];
}

function* notices() {
  const { state, reason, lastEvent, overview } = live;
  const since = lastEvent ? `Figures are those of ${clock(lastEvent).slice(0, 8)}.` : "No figures have come yet.";
  if (state === "paused") yield ["quiet", "paused", `Paused. ${since} What happens now is counted, but not shown.`];
  if (state === "lost") yield ["warning", "lost", `The stream was lost; reconnecting. ${since}`];
  if (state === "refused") yield ["warning", "refused", `The stream was refused; trying again. ${reason} ${since}`];
  if (!overview) return;
  if (overview.draining) yield ["warning", "draining", "pgscope is shutting down: it takes no new connections."];
  if (!overview.profiling) yield ["warning", "off", "Profiling is off (proxy.profiling = false): queries are forwarded, not looked at."];
  const down = overview.upstreams.filter((one) => one.up === false).map((one) => one.upstream);
  if (down.length) yield ["critical", "down", `PostgreSQL does not answer at ${down.join(", ")}.`];
  const blind = total(overview.sessions_blind);
  if (blind && overview.profiling) {
    yield ["warning", "blind", `${plural(blind, "session")} went blind (${reasons(overview.sessions_blind, blindness)}): their queries are missing here.`];
  }
  const dropped = total(overview.events_dropped);
  if (dropped) yield ["warning", "dropped", `${plural(dropped, "event")} could not be counted (${reasons(overview.events_dropped, words)}).`];
  const evicting = overview.tables.filter((one) => one.evictions && !RINGS.has(one.table));
  if (evicting.length) {
    const names = evicting.map((one) => words(one.table)).join(", ");
    yield ["quiet", "full", `Full tables: ${names}. What has no place of its own is counted as “other”.`];
  }
  const [guessed, all] = guesses();
  if (guessed > all * WORTH_A_WORD) {
    yield ["quiet", "guessed", `Where ${plural(guessed, "request")} of ${count(all)} began is a guess: their counts may be off.`];
  }
}

export function startNotices(section) {
  function show() {
    const all = [...notices()].map(([kind, key, text]) => ({ kind, key, text }));
    section.hidden = all.length === 0;
    keyed(section, all, (one) => one.key, (first) => {
      const text = h("span");
      const more = ["paused", "lost", "refused"].includes(first.key) ? null : h("a", { href: link("health", "", {}) }, "Health");
      const node = h("p", { class: `notice ${first.kind}`, role: "status" }, text, more);
      return { node, update: (one) => say(text, one.text) };
    });
  }
  for (const name of ["overview", "state", "boundaries"]) on(name, show);
  show();
  return show;
}
