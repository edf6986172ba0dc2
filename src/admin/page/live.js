// What pgscope says once a second, and whether it still does.

import { forget, remember, rememberCauses } from "./history.js";

const RETRY = 3000;
// A stream ends now and then and comes back within a second or two: that is not worth a word.
const GRACE = 4000;
// Requests that are kept to choose from: what is shown, and what a filter may look for.
const KEPT = 1000;

const events = new EventTarget();
let stream = null;
let retry = 0;
let grace = 0;
let offset = 0;

export const live = {
  // connecting, live, lost (reconnecting), refused or paused
  state: "connecting",
  reason: "",
  lastEvent: null,
  overview: null,
  findings: null,
  requests: [],
  // Requests that closed and came with no event, since the page was opened.
  notSent: 0,
};

export function on(name, listener) {
  events.addEventListener(name, () => listener(live));
}

function emit(name) {
  events.dispatchEvent(new Event(name));
}

// The server's time, by which ages are told.
export function now() {
  return Date.now() + offset;
}

export function paused() {
  return live.state === "paused";
}

function become(state, reason = "") {
  if (live.state === state && live.reason === reason && !grace) return;
  clearTimeout(grace);
  grace = 0;
  live.state = state;
  live.reason = reason;
  emit("state");
}

export function start() {
  clearTimeout(retry);
  stream?.close();
  // A retry says nothing before it knows more.
  if (live.state === "paused") become("connecting");
  stream = new EventSource("/api/v1/events");
  stream.addEventListener("open", () => become("live"));
  stream.addEventListener("error", lost);
  stream.addEventListener("overview", (event) => {
    live.lastEvent = new Date();
    take(JSON.parse(event.data));
    become("live");
    emit("overview");
  });
  stream.addEventListener("findings", (event) => {
    live.findings = JSON.parse(event.data).findings;
    emit("findings");
  });
  stream.addEventListener("requests", (event) => {
    const { requests, dropped } = JSON.parse(event.data);
    live.notSent += dropped;
    add(requests);
    emit("requests");
  });
}

function take(overview) {
  // Another process counts from the beginning, its requests too.
  if (live.overview && live.overview.started !== overview.started) {
    live.requests = [];
    live.notSent = 0;
    forget();
  }
  live.overview = overview;
  offset = Date.parse(overview.now) - Date.now();
  remember(overview);
  rememberCauses(live.findings ?? []);
}

export function add(requests) {
  const known = new Set(live.requests.map((request) => request.id));
  const fresh = requests.filter((request) => !known.has(request.id));
  live.requests = [...fresh, ...live.requests].sort((a, b) => b.id - a.id).slice(0, KEPT);
}

// A browser reconnects by itself where the connection broke, but not where it was refused: then it is told why.
async function lost() {
  if (stream.readyState !== EventSource.CLOSED) {
    if (live.state === "live" && !grace) grace = setTimeout(() => become("lost"), GRACE);
    return;
  }
  clearTimeout(retry);
  retry = setTimeout(start, RETRY);
  if (live.state !== "refused") become("lost");
  const probe = new AbortController();
  try {
    const response = await fetch("/api/v1/events", { signal: probe.signal });
    if (!response.ok && live.state !== "paused") become("refused", (await response.text()).trim());
  } catch {
    if (live.state === "refused") become("lost");
  } finally {
    probe.abort();
  }
}

export function toggle() {
  if (paused()) return start();
  clearTimeout(retry);
  stream.close();
  become("paused");
}
