//! The rows of a view, from its last two readings.

use super::figures::{UNKNOWN, age, ago, count, duration, rate, rated, ratio};
use super::reading::{Finding, Reading, Route, Session, Statement, View};
use super::table::{Cell, Row};
use crate::cli::report::words::statement;
use std::collections::HashMap;

/// Characters of a statement that a row holds: more than a terminal is wide.
const STATEMENT: usize = 300;

/// All rows of the view that was read last.
pub fn rows(latest: &Reading, previous: Option<&Reading>) -> Vec<Row> {
    let before = |counts: fn(&Reading) -> Counts| Before::new(latest, previous, counts);
    match latest.view {
        View::Findings => {
            let before = before(|reading| {
                let count = |entry: &Finding| (finding_key(entry), entry.known.requests);
                reading.findings.iter().map(count).collect()
            });
            let row = |entry| finding(entry, &before, latest.now);
            latest.findings.iter().map(row).collect()
        }
        View::Requests => {
            let before = before(|reading| {
                let count = |entry: &Route| (route_key(entry), entry.requests);
                reading.routes.iter().map(count).collect()
            });
            let busy = previous.map_or_else(HashMap::new, |reading| {
                let busy = |entry: &Route| (route_key(entry), entry.database_seconds);
                reading.routes.iter().map(busy).collect()
            });
            let row = |entry| route(entry, &before, &busy);
            latest.routes.iter().map(row).collect()
        }
        View::Statements => {
            let before = before(|reading| {
                let count = |entry: &Statement| (entry.fingerprint.clone(), entry.calls);
                reading.statements.iter().map(count).collect()
            });
            let row = |entry| of_statement(entry, &before);
            latest.statements.iter().map(row).collect()
        }
        View::Sessions => {
            let before = before(|reading| {
                let count = |entry: &Session| (entry.id.to_string(), entry.queries);
                reading.sessions.iter().map(count).collect()
            });
            let row = |entry| session(entry, &before, latest.now);
            latest.sessions.iter().map(row).collect()
        }
    }
}

type Counts = HashMap<String, u64>;

/// What the reading before had counted.
struct Before {
    counts: Counts,
    /// Whether what it did not list was not there at all, and so began at 0 since.
    whole: bool,
    seconds: f64,
}

impl Before {
    fn new(latest: &Reading, previous: Option<&Reading>, counts: fn(&Reading) -> Counts) -> Self {
        let (_, limit) = latest.view.lists()[0];
        let read = previous.map(counts).unwrap_or_default();
        Self {
            whole: previous.is_some() && read.len() < limit,
            counts: read,
            seconds: previous.map_or(0.0, |previous| latest.at - previous.at),
        }
    }

    fn rate(&self, key: &str, after: u64) -> Option<f64> {
        let before = self.counts.get(key).copied();
        rate(before.or(self.whole.then_some(0))?, after, self.seconds)
    }
}

fn growing(value: Option<f64>) -> Cell {
    Cell::figure(rated(value), value.unwrap_or(-1.0))
}

fn counting(value: u64) -> Cell {
    Cell::figure(count(value), value as f64)
}

fn lasting(seconds: f64) -> Cell {
    Cell::figure(duration(seconds), seconds)
}

/// A cause is known by all that tells it from others.
pub fn finding_key(finding: &Finding) -> String {
    let known = &finding.known;
    let (parent, text) = (&known.parent, &known.fingerprint);
    format!(
        "{}\n{}\n{text}\n{parent}\n{}",
        known.name(),
        known.route,
        finding.database
    )
}

fn finding(entry: &Finding, before: &Before, now: f64) -> Row {
    let key = finding_key(entry);
    let known = &entry.known;
    // The worst first, and among equals the dearest. A length of time is not above this.
    let weight = known.wasted_seconds.min(1e9) - f64::from(known.rank()) * 1e10;
    let seen = age(&entry.last_seen, now);
    Row {
        cells: vec![
            Cell::figure(crate::cli::report::words::clean(&known.severity), weight),
            Cell::words(known.name()),
            Cell::words(known.route.as_str()),
            growing(before.rate(&key, known.requests)),
            counting(known.requests),
            counting(known.count),
            lasting(known.wasted_seconds),
            Cell::figure(ago(&entry.last_seen, now), -seen.unwrap_or(f64::MAX)),
        ],
        more: format!(
            "{} {} {}",
            known.query.as_deref().unwrap_or_default(),
            known.fix,
            known.callsite
        ),
        key,
    }
}

/// Requests of one route are apart by how they were told apart.
pub fn route_key(route: &Route) -> String {
    format!("{}\n{}", route.route, route.boundary)
}

fn route(entry: &Route, before: &Before, busy: &HashMap<String, f64>) -> Row {
    let key = route_key(entry);
    let rate = before.rate(&key, entry.requests);
    let busy = busy.get(&key).copied().unwrap_or(0.0);
    let busy = rate.map(|_| (entry.database_seconds - busy).max(0.0) / before.seconds);
    let each = |sum: f64| sum / entry.requests.max(1) as f64;
    let queries = each(entry.queries as f64);
    Row {
        key,
        cells: vec![
            Cell::words(entry.route.as_str()),
            Cell::words(entry.boundary.as_str()),
            growing(rate),
            counting(entry.requests),
            Cell::figure(ratio(queries), queries),
            Cell::figure(
                busy.map_or_else(|| UNKNOWN.into(), duration),
                busy.unwrap_or(-1.0),
            ),
            lasting(entry.database_seconds),
            lasting(each(entry.database_seconds)),
            lasting(entry.p99),
        ],
        more: String::new(),
    }
}

fn of_statement(entry: &Statement, before: &Before) -> Row {
    let rows = entry.rows as f64 / entry.calls.max(1) as f64;
    Row {
        key: entry.fingerprint.clone(),
        cells: vec![
            Cell::words(statement(&entry.query, STATEMENT)),
            growing(before.rate(&entry.fingerprint, entry.calls)),
            counting(entry.calls),
            Cell::figure(ratio(rows), rows),
            lasting(entry.total_seconds),
            lasting(entry.mean_seconds),
            lasting(entry.p99),
            counting(entry.errors),
        ],
        more: format!("{} {} {}", entry.fingerprint, entry.table, entry.query),
    }
}

fn session(entry: &Session, before: &Before, now: f64) -> Row {
    let key = entry.id.to_string();
    let age = age(&entry.since, now);
    let status = match &entry.blind {
        Some(reason) => format!("blind: {reason}"),
        None => entry.status.clone(),
    };
    Row {
        cells: vec![
            Cell::figure(key.clone(), -(entry.id as f64)),
            Cell::words(entry.client.as_str()),
            Cell::words(entry.database.as_str()),
            Cell::words(entry.user.as_str()),
            Cell::words(entry.application.as_str()),
            Cell::words(status),
            Cell::figure(
                age.map_or_else(|| UNKNOWN.into(), duration),
                age.unwrap_or(-1.0),
            ),
            growing(before.rate(&key, entry.queries)),
            counting(entry.queries),
        ],
        more: String::new(),
        key,
    }
}
