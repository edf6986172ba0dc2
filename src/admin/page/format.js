// Figures as people read them.

const COUNT = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

export function count(number) {
  return COUNT.format(number);
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function seconds(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (value < 0.0009995) return `${Math.max(1, Math.round(value * 1e6))} µs`;
  if (value < 1) return `${digits(value * 1e3)} ms`;
  if (value < 120) return `${digits(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return `${digits(value / 3600)} h`;
}

// Three significant digits, which is what a histogram is worth.
function digits(value) {
  if (value >= 100) return count(Math.round(value));
  return value.toFixed(value >= 10 ? 1 : 2);
}

export function rate(value) {
  if (!Number.isFinite(value)) return "–";
  return value > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value));
}

export function percent(part, whole) {
  if (!(whole > 0)) return "–";
  const share = (100 * part) / whole;
  return share > 0 && share < 1 ? "<1 %" : `${Math.round(share)} %`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function clock(time) {
  const date = new Date(time);
  return `${CLOCK.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function exact(time) {
  return EXACT.format(new Date(time));
}

// `now` is the server's: the clock of this computer may be another.
export function ago(time, now) {
  const age = Math.max(0, (now - Date.parse(time)) / 1000);
  if (age < 2) return "just now";
  if (age < 100) return `${Math.round(age)} s ago`;
  if (age < 5400) return `${Math.round(age / 60)} min ago`;
  if (age < 129600) return `${Math.round(age / 3600)} h ago`;
  return `${Math.round(age / 86400)} days ago`;
}

// How far each way to tell requests apart can be trusted.
export const CONFIDENCE = {
  trace: "exact",
  connection: "exact",
  probe: "high",
  pool_check: "high",
  discard: "high",
  route: "medium",
  transaction: "medium",
  anchor: "medium",
  gap: "low",
  none: "low",
};

const NAMES = {
  n_plus_one: "N+1 queries",
  forward_fk: "forward foreign key",
  reverse_fk: "reverse foreign key",
  many_to_many: "many-to-many",
  generic_fk: "generic foreign key",
  m2m_add_loop: "Many-to-many add loop",
  sqlstates: "SQLSTATEs",
  huge_in_list: "Huge IN list",
  large_result: "Large result",
  asgi_persistent_connections: "ASGI with persistent connections",
};

export function words(name) {
  return NAMES[name] ?? name.replaceAll("_", " ");
}

export function title(name) {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
