// The open sessions: one for each connection that the app holds.

import { ask, poll } from "./api.js";
import { h, say, set } from "./dom.js";
import { anyChosen, chosen, hasText } from "./filter.js";
import { ago, count, exact, words } from "./format.js";
import { live, now, paused } from "./live.js";
import { blindness } from "./notices.js";
import { place } from "./place.js";
import { LIMIT, table } from "./table.js";

const EVERY = 3000;
const FETCHED = 2000;

export function sessionsView(view) {
  const empty = h("p", { class: "empty" });
  const rows = table({ caption: "Open sessions", key: (session) => session.id, columns: COLUMNS });
  view.append(empty, rows.node);
  let sessions = null;
  let problem = "";

  async function fetchThem(signal) {
    try {
      sessions = (await ask("sessions", { limit: FETCHED, database: chosen("database") }, signal)).sessions;
      problem = "";
    } catch (error) {
      if (error.name === "AbortError") throw error;
      problem = error.message;
    }
    show();
  }
  const refresh = poll(fetchThem, () => EVERY, () => place().tab === "sessions" && !paused());

  function show() {
    const list = (sessions ?? []).filter((one) => hasText(one.client, one.user, one.application, one.status, one.database));
    const open = anyChosen() ? list.length : Math.max(list.length, sessions?.length === FETCHED ? live.overview?.connections_open ?? 0 : 0);
    rows.update(list, { of: list.length > LIMIT ? open : list.length, what: "sessions" });
    const none = anyChosen() ? "No session matches the filter." : "No session is open.";
    say(empty, list.length ? "" : problem || (sessions ? none : "Waiting for pgscope…"));
  }
  return { show, arrive: refresh, on: [] };
}

const COLUMNS = [
  { title: "Session", wide: true, text: (session) => String(session.id) },
  { title: "Client", text: (session) => session.client },
  { title: "Database", wide: true, text: (session) => session.database },
  { title: "User", wide: true, text: (session) => session.user },
  { title: "Application", wide: true, text: (session) => session.application },
  { title: "Status", wide: true, text: (session) => words(session.status) },
  { title: "Queries", number: true, text: (session) => count(session.queries) },
  { title: "Cancelled", number: true, wide: true, text: (session) => count(session.cancel_requests) },
  {
    title: "Open since",
    wide: true,
    fill(cell, session) {
      say(cell, ago(session.since, now()));
      set(cell, "title", exact(session.since));
    },
  },
  {
    title: "Decoded",
    fill(cell, session) {
      say(cell, session.blind ? `blind: ${blindness(session.blind)}` : "yes");
      set(cell, "class", session.blind ? "doubt" : null);
    },
  },
];
