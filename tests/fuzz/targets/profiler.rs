//! The profiler with all detectors: a few connections at a time, tables that are soon full, and everything that an edge
//! may read. No panic; tables and series within their bounds; each query that ends is counted once wherever queries are
//! counted, `other` included; no literal comes out.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::{Choices, Side, Step, converse};
use pgscope::admin::Metrics;
use pgscope::profiler::{Profiler, Tap};
use pgscope::session::{At, Event, Session};
use pgscope::stats::{Filter, Snapshot, Source, Upstreams};
use pgscope::units::Period;
use pgscope::{detect, request, stats};
use records::{framed, records};
use std::collections::HashSet;
use std::sync::Arc;

#[path = "common.rs"]
mod common;
// What each query comes to is the business of the target `conversation`.
#[allow(dead_code)]
#[path = "model/mod.rs"]
mod model;
#[path = "records.rs"]
mod records;

/// In every literal of the model, and in nothing else.
const SECRET: &str = "zqxj";

/// Connections at a time.
const CONNECTIONS: usize = 3;

enum Act {
    Show(usize, Side, Vec<u8>),
    Pass(u64),
    Close(usize),
    Reload,
}

/// The records of an input as the acts of several connections.
fn recorded(data: &[u8]) -> Vec<Act> {
    let act = |(what, payload): (u8, &[u8])| {
        let connection = usize::from(what / 6) % CONNECTIONS;
        match what % 6 {
            0 => Act::Show(connection, Side::Client, payload.to_vec()),
            1 => Act::Show(connection, Side::Server, payload.to_vec()),
            2 => Act::Show(connection, Side::Client, framed(payload)),
            3 => Act::Show(connection, Side::Server, framed(payload)),
            4 => Act::Pass(payload.len() as u64),
            _ => Act::Close(connection),
        }
    };
    records(data).map(act).collect()
}

/// Conversations, mixed as the first bytes say. Time passes between their steps.
fn conversed(order: &[u8], data: &[u8]) -> Vec<Act> {
    let mut choices = Choices::new(data);
    let count = 1 + choices.below(5);
    let mut waiting: Vec<_> = (0..count)
        .map(|_| converse(&mut choices, 30).steps.into_iter())
        .collect();
    let mut open: [Option<std::vec::IntoIter<Step>>; CONNECTIONS] = Default::default();
    let mut acts = Vec::new();
    for order in order.iter().cycle() {
        let at = usize::from(*order) % CONNECTIONS;
        let next = open[at].as_mut().and_then(Iterator::next);
        match next {
            Some(step) => acts.push(Act::Show(at, step.side, step.bytes)),
            None => {
                acts.push(Act::Close(at));
                open[at] = waiting.pop();
            }
        }
        if open.iter().all(Option::is_none) && waiting.is_empty() {
            break;
        }
        match order / 4 {
            40..60 => acts.push(Act::Pass(u64::from(*order) * 4)),
            60 => acts.push(Act::Reload),
            _ => acts.push(Act::Pass(1)),
        }
    }
    acts
}

/// One connection and what is expected of it.
struct Connection {
    tap: Tap,
    /// The same bytes, decoded once more.
    session: Session,
    /// The server has let the client in.
    known: bool,
}

/// What the sessions reported.
#[derive(Default)]
struct Counts {
    queries: u64,
    with_statement: u64,
}

impl Counts {
    fn note(&mut self, event: &Event<'_>, known: &mut bool) {
        match event {
            Event::Ready { .. } => *known = true,
            Event::Query(query) if *known => {
                self.queries += 1;
                self.with_statement += u64::from(query.statement.is_some());
            }
            _ => {}
        }
    }
}

fn detectors() -> detect::Settings {
    let mut settings = detect::Settings::default();
    settings.slow_query.threshold = Period::millis(20);
    settings
}

fn play(acts: &[Act], profiler: &Arc<Profiler>, ceiling: usize) -> Counts {
    let mut open: [Option<Connection>; CONNECTIONS] = Default::default();
    let mut counts = Counts::default();
    let mut now = At(1);
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Show(at, side, bytes) => {
                let connection = open[*at].get_or_insert_with(|| Connection {
                    tap: profiler.open(&format!("127.0.0.{at}:1"), now),
                    session: Session::new(),
                    known: false,
                });
                let Connection {
                    tap,
                    session,
                    known,
                } = connection;
                let mut note = |event: Event<'_>| counts.note(&event, known);
                match side {
                    Side::Client => {
                        session.frontend(bytes, now, &mut note);
                        tap.frontend(bytes, now);
                    }
                    Side::Server => {
                        session.backend(bytes, now, 0, &mut note);
                        tap.backend(bytes, now, 0);
                    }
                }
            }
            Act::Pass(millis) => {
                now = At(now.0 + millis * 1_000_000);
                for connection in open.iter_mut().flatten() {
                    connection.tap.idle(now);
                }
            }
            Act::Close(at) => close(&mut open[*at], &mut counts, now),
            Act::Reload => profiler.reload(&detectors()),
        }
        if number % 256 == 255 {
            render(profiler, ceiling);
        }
    }
    open.iter_mut()
        .for_each(|connection| close(connection, &mut counts, now));
    counts
}

fn close(connection: &mut Option<Connection>, counts: &mut Counts, now: At) {
    if let Some(Connection {
        mut tap,
        mut session,
        mut known,
    }) = connection.take()
    {
        session.close(now, &mut |event| counts.note(&event, &mut known));
        tap.close(now);
    }
}

/// All that the edges read, as text.
fn render(profiler: &Arc<Profiler>, ceiling: usize) -> String {
    let upstreams = Upstreams::new(["db:5432".to_owned()].into_iter());
    let metrics = Metrics::new(Arc::clone(profiler) as _, Arc::new(upstreams));
    let mut text = Vec::new();
    metrics.write(&mut text).expect("memory");
    let text = String::from_utf8(text).expect("text");
    let mut series = HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        assert!(series.insert(name), "{name} twice");
        assert!(
            value.parse::<f64>().is_ok_and(|value| value >= 0.0),
            "{line}"
        );
    }
    assert!(
        series.len() <= ceiling,
        "{} series, at most {ceiling}",
        series.len()
    );
    let filter = Filter::default();
    let api = (
        profiler.findings(&filter),
        profiler.requests(&filter),
        profiler.routes(&filter),
        profiler.statements(&filter),
        profiler.sessions(),
        profiler.boundaries(),
    );
    format!("{text}{api:?}")
}

fn check_bounds(snapshot: &Snapshot, sizes: &stats::Settings, classes: usize) {
    for table in &snapshot.tables {
        let limit = match table.name {
            "databases" => sizes.databases,
            "users" => sizes.users,
            "database_users" => sizes.database_users,
            "sqlstates" => sizes.sqlstates * (sizes.databases + 1),
            "statements" => sizes.statements,
            "routes" => sizes.routes,
            "recent_requests" => sizes.recent_requests,
            "findings" => sizes.findings,
            "classes" => classes,
            // Their own constants.
            "hot_query" => 1024,
            "cacheable_query" => 4096,
            other => panic!("nothing is known of the table {other}"),
        };
        assert!(table.entries <= limit as u64, "{table:?} of {limit}");
    }
}

fn check_sums(snapshot: &Snapshot, counts: &Counts) {
    let pairs: u64 = snapshot
        .pairs
        .iter()
        .flat_map(|pair| pair.queries.iter().flatten())
        .sum();
    assert_eq!(pairs, counts.queries, "queries_total");
    let verbs: u64 = snapshot.verbs.iter().map(|row| row.duration.count()).sum();
    assert_eq!(verbs, counts.queries, "query_duration_seconds");
    let rows = snapshot.statements.iter().map(|(_, totals)| totals);
    let calls: u64 = rows
        .chain([&snapshot.other_statements])
        .map(|row| row.durations.count())
        .sum();
    assert_eq!(calls, counts.with_statement, "statement_calls_total");
    let requests: u64 = snapshot
        .routes
        .iter()
        .map(|route| route.totals.queries.queries())
        .sum();
    assert!(
        requests <= counts.queries,
        "{requests} of {} queries in requests",
        counts.queries
    );
}

fuzz_target!(|data: &[u8]| {
    common::forgive_what_is_caught();
    // The panic that debug builds plant on request is no finding.
    if data.windows(7).any(|bytes| bytes == b"planted") {
        return;
    }
    let Some(([mode, size, order @ ..], rest)) = data.split_first_chunk::<18>() else {
        return;
    };
    let few = 1 + usize::from(size % 8);
    let sizes = stats::Settings {
        statements: few,
        routes: few,
        findings: few,
        recent_requests: few,
        databases: few,
        users: few,
        database_users: few,
        sqlstates: few,
    };
    let requests = request::Settings {
        max_queries: 10,
        max_statements: 10,
        max_values: 100,
        max_classes: few,
        ..request::Settings::default()
    };
    let valid = mode % 2 == 0;
    let acts = if valid {
        conversed(order, rest)
    } else {
        recorded(rest)
    };
    let profiler = Arc::new(Profiler::new(requests, &sizes, &detectors()));
    let counts = play(&acts, &profiler, sizes.series_ceiling());
    let text = render(&profiler, sizes.series_ceiling());
    assert!(
        !valid || !text.contains(SECRET),
        "a literal came out: {text}"
    );
    let snapshot = profiler.snapshot();
    check_bounds(&snapshot, &sizes, few);
    check_sums(&snapshot, &counts);
    assert!(profiler.sessions().is_empty());
});
