// What the page itself remembers: two minutes of rates, and of each cause the requests in which it held.

const STEP = 2000;
const POINTS = 60;
const RATES = 120;
const CAUSES = 500;

export const SPAN = "since this page was opened, at most two minutes";

const rates = [];
let last = null;
let stepped = 0;
const causes = new Map();

export function forget() {
  rates.length = 0;
  last = null;
  causes.clear();
}

export function cause(finding) {
  return [finding.detector, finding.route, finding.fingerprint, finding.parent, finding.fix].join(" ");
}

export function remember(overview) {
  const at = Date.parse(overview.now);
  const seconds = last ? (at - last.at) / 1000 : 0;
  if (seconds > 0.2) {
    const per = (read) => Math.max(0, (read(overview) - read(last.overview)) / seconds);
    rates.push({
      requests: per((of) => of.requests_total),
      queries: per((of) => of.queries_total),
      errors: per((of) => of.errors_total),
      database: per((of) => of.database_seconds),
      profiling: per((of) => of.profiling_seconds),
      bytes: per((of) => of.bytes.frontend + of.bytes.backend),
    });
    if (rates.length > RATES) rates.shift();
  }
  if (!last || seconds > 0.2) last = { at, overview };
}

export function series(name) {
  return rates.map((point) => point[name]);
}

export function latest(name) {
  return rates.at(-1)?.[name];
}

export function rememberCauses(findings) {
  const now = Date.now();
  const step = now - stepped >= STEP;
  if (step) stepped = now;
  for (const finding of findings) {
    const key = cause(finding);
    let trend = causes.get(key);
    if (!trend) {
      if (causes.size >= CAUSES) causes.delete(causes.keys().next().value);
      trend = { base: finding.requests, points: [] };
      causes.set(key, trend);
    }
    if (!step) continue;
    trend.points.push(Math.max(0, finding.requests - trend.base));
    trend.base = finding.requests;
    if (trend.points.length > POINTS) trend.points.shift();
  }
}

export function trend(finding) {
  return causes.get(cause(finding))?.points ?? [];
}
