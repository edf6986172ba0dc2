//! All that is known of one row, as lines.

use super::figures::{ago, count, duration, ratio};
use super::reading::{Finding, Reading, Request, Route, Session, Statement, View};
use super::rows::{finding_key, route_key};
use crate::cli::report::words::{clean, number, statement};
use std::collections::HashMap;

/// Characters of a statement where several are listed.
const SHORT: usize = 400;

/// Statements of a route that are listed.
const DEAREST: usize = 8;

/// A line: what it tells, and its text. A label without text is a heading, text without a label goes on.
pub type Line = (String, String);

/// The lines about the row of this key; None where it is no longer listed.
pub fn lines(reading: &Reading, key: &str) -> Option<Vec<Line>> {
    match reading.view {
        View::Findings => {
            let mut findings = reading.findings.iter();
            let found = findings.find(|entry| finding_key(entry) == key)?;
            Some(finding(found, reading.now))
        }
        View::Requests => {
            let found = reading
                .routes
                .iter()
                .find(|entry| route_key(entry) == key)?;
            Some(route(found, reading))
        }
        View::Statements => {
            let mut statements = reading.statements.iter();
            let found = statements.find(|entry| entry.fingerprint == key)?;
            Some(of_statement(found))
        }
        View::Sessions => {
            let mut sessions = reading.sessions.iter();
            let found = sessions.find(|entry| entry.id.to_string() == key)?;
            Some(session(found, reading.now))
        }
    }
}

/// Lines for people; what is not known has none.
#[derive(Default)]
struct Page(Vec<Line>);

impl Page {
    fn line(&mut self, label: &str, text: impl Into<String>) {
        let text = clean(&text.into());
        if !text.is_empty() {
            self.0.push((label.into(), text));
        }
    }

    fn heading(&mut self, text: &str) {
        self.0.push((String::new(), String::new()));
        self.0.push((text.into(), String::new()));
    }

    /// A text of its own, on lines of its own.
    fn text(&mut self, heading: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.heading(heading);
        self.line("", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

fn finding(entry: &Finding, now: f64) -> Vec<Line> {
    let known = &entry.known;
    let mut page = Page::default();
    page.line("finding", known.name());
    page.line("severity", known.severity.as_str());
    page.line("evidence", known.evidence.as_str());
    page.line("route", known.route.as_str());
    page.line("boundary", known.boundary.as_str());
    page.line("code", known.callsite.as_str());
    page.line("database", entry.database.as_str());
    page.line("relation", known.relation.as_str());
    let (queries, requests) = (known.count, known.requests);
    let each = queries as f64 / requests.max(1) as f64;
    let (queries, requests) = (
        number(queries, "query", "queries"),
        number(requests, "request", "requests"),
    );
    page.line(
        "cost",
        format!("{queries} in {requests}, {} each", ratio(each)),
    );
    page.line("wasted", duration(known.wasted_seconds));
    page.line("first seen", ago(&entry.first_seen, now));
    page.line("last seen", ago(&entry.last_seen, now));
    page.text("Fix", &known.fix);
    page.text("Query", known.query.as_deref().unwrap_or_default());
    page.text("Of the rows of", &known.parent);
    page.0
}

fn of_statement(entry: &Statement) -> Vec<Line> {
    let mut page = Page::default();
    page.line("fingerprint", entry.fingerprint.as_str());
    page.line("verb", entry.verb.as_str());
    page.line("table", entry.table.as_str());
    page.line("calls", count(entry.calls));
    page.line("errors", count(entry.errors));
    page.line("rows", count(entry.rows));
    page.line("total", duration(entry.total_seconds));
    page.line("mean", duration(entry.mean_seconds));
    let quantiles = [
        ("p50", entry.p50),
        ("p90", entry.p90),
        ("p99", entry.p99),
        ("max", entry.max),
    ];
    for (label, seconds) in quantiles {
        page.line(label, duration(seconds));
    }
    page.text("Query", &entry.query);
    page.0
}

fn route(entry: &Route, reading: &Reading) -> Vec<Line> {
    let mut page = Page::default();
    let of = |sum: f64| sum / entry.requests.max(1) as f64;
    page.line("route", entry.route.as_str());
    page.line("boundary", entry.boundary.as_str());
    page.line("requests", count(entry.requests));
    page.line(
        "queries",
        format!("{} a request", ratio(of(entry.queries as f64))),
    );
    let database = [
        ("mean", of(entry.database_seconds)),
        ("p50", entry.p50),
        ("p99", entry.p99),
        ("max", entry.max),
    ];
    let database = database.map(|(word, seconds)| format!("{word} {}", duration(seconds)));
    page.line("in the database", database.join(", "));
    page.line(
        "whole",
        format!("mean {}", duration(of(entry.duration_seconds))),
    );

    let recent =
        |request: &&Request| request.route == entry.route && request.boundary == entry.boundary;
    let recent: Vec<&Request> = reading.requests.iter().filter(recent).collect();
    dearest(&mut page, &recent, &reading.statements);
    if !recent.is_empty() {
        page.heading("Last requests");
    }
    for request in recent.iter().take(DEAREST) {
        let queries = number(request.queries, "query", "queries");
        page.line(
            &ago(&request.at, reading.now),
            format!(
                "{queries}, {} in the database, {} whole",
                duration(request.database_seconds),
                duration(request.duration_seconds)
            ),
        );
    }
    for class in reading
        .boundaries
        .iter()
        .filter(|class| !class.hint.is_empty())
    {
        page.text(
            &format!("To tell requests of {} apart", clean(&class.client)),
            &class.hint,
        );
    }
    page.0
}

/// The statements that took most of the time of these requests.
fn dearest(page: &mut Page, recent: &[&Request], known: &[Statement]) {
    let mut sums: HashMap<&str, (u64, f64)> = HashMap::new();
    for part in recent.iter().flat_map(|request| &request.statements) {
        let sum = sums.entry(&part.fingerprint).or_default();
        *sum = (sum.0 + part.calls, sum.1 + part.seconds);
    }
    if sums.is_empty() {
        return;
    }
    let requests = number(recent.len() as u64, "request", "requests");
    page.heading(&format!("Dearest statements of the last {requests}"));
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(a, left), (b, right)| right.1.total_cmp(&left.1).then(a.cmp(b)));
    for (fingerprint, (calls, seconds)) in sums.into_iter().take(DEAREST) {
        let query = known.iter().find(|entry| entry.fingerprint == fingerprint);
        let query = query.map_or(fingerprint.to_owned(), |entry| {
            statement(&entry.query, SHORT)
        });
        page.line(
            &duration(seconds),
            format!("{}: {query}", number(calls, "call", "calls")),
        );
    }
}

fn session(entry: &Session, now: f64) -> Vec<Line> {
    let mut page = Page::default();
    page.line("session", entry.id.to_string());
    page.line("client", entry.client.as_str());
    page.line("database", entry.database.as_str());
    page.line("user", entry.user.as_str());
    page.line("application", entry.application.as_str());
    page.line("status", entry.status.as_str());
    page.line("began", ago(&entry.since, now));
    page.line("queries", count(entry.queries));
    page.line("cancel requests", count(entry.cancel_requests));
    if let Some(reason) = &entry.blind {
        page.line(
            "blind",
            format!("{reason}: its bytes are forwarded, but no longer understood"),
        );
    }
    page.0
}
