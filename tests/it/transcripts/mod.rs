//! Readable conversations and what pgscope makes of them: events, requests and findings.
//!
//! Each file under `tests/transcripts/` is run once as it stands, and once byte by byte: the events must be the
//! same. `UPDATE=1 cargo test transcripts` writes the `=` lines anew; read the difference before you commit it.

pub mod language;

use language::{Step, lines, steps};
use pgscope::detect::{Explained, Plan, Table};
use pgscope::profiler::{Inquiry, Profiler};
use pgscope::session::{At, Event, Outcome, Protocol, Session, TransactionStatus};
use pgscope::stats::{Filter, Source};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// `None`: BackendKeyData belongs to every startup.
pub fn show(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::BackendKey(_) => return None,
        Event::Batch { nanos } => format!("batch {}ms", millis(*nanos)),
        Event::Stalled { nanos } => format!("stalled {}ms", millis(*nanos)),
        Event::Cancel(_) => "cancel".to_owned(),
        Event::Startup {
            user,
            database,
            application,
        } => {
            format!("startup user={user} database={database} application={application}")
        }
        Event::Ready { status, first, .. } => {
            let status = match status {
                TransactionStatus::Idle => "idle",
                TransactionStatus::InTransaction => "in transaction",
                TransactionStatus::Failed => "failed",
            };
            format!("ready {status}{}", if *first { " first" } else { "" })
        }
        Event::Error { sqlstate, .. } => format!("error {}", sqlstate.as_str()),
        Event::Blind { reason } => format!("blind {}", reason.as_str()),
        Event::Dropped { reason } => format!("dropped {reason}"),
        Event::Query(query) => {
            let mut line = String::from("query ");
            line.push_str(match query.protocol {
                Protocol::Simple => "simple",
                Protocol::Extended => "extended",
                Protocol::FunctionCall => "function",
            });
            match query.outcome {
                Outcome::Complete => line.push_str(" complete"),
                Outcome::Empty => line.push_str(" empty"),
                Outcome::Suspended => line.push_str(" suspended"),
                Outcome::Error(state) => _ = write!(line, " error {}", state.as_str()),
                Outcome::Lost => line.push_str(" lost"),
            }
            _ = write!(line, " rows={} bytes={}", query.rows, query.bytes);
            _ = write!(
                line,
                " first={}ms",
                millis(query.first_byte.since(query.started))
            );
            _ = write!(
                line,
                " total={}ms",
                millis(query.finished.since(query.started))
            );
            if query.continues_batch {
                line.push_str(" batch");
            }
            if query.copy {
                line.push_str(" copy");
            }
            if query.part.probe {
                line.push_str(" probe");
            }
            let text = query.statement.unwrap_or("-");
            _ = write!(line, " | {text}");
            line
        }
    })
}

/// Runs a conversation message by message; returns it with its `=` lines made anew.
fn run(text: &str) -> String {
    let mut session = Session::new();
    let profiler = Arc::new(Profiler::default());
    let mut now = At(1_000_000);
    let mut tap = profiler.open("127.0.0.1", now);
    let mut status = b'I';
    let mut out = String::new();
    let (mut requests, mut findings) = (0, 0);
    let filter = Filter {
        limit: 1000,
        ..Filter::default()
    };
    let terse = text.contains("# requests only");
    let mut left = Vec::new();
    let mut repeated: Option<String> = None;
    for line in text.lines() {
        if line.starts_with('=') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        // A block is written once, and what it comes to at its end.
        if line.starts_with("repeat ") {
            repeated = Some(String::new());
        }
        if let Some(block) = &mut repeated {
            block.push_str(line);
            block.push('\n');
        }
        let block = match repeated.take_if(|_| line == "end") {
            Some(block) => block,
            None if repeated.is_some() => continue,
            None => line.to_owned(),
        };
        for step in lines(&block)
            .iter()
            .flat_map(|line| steps(line, &mut status))
            .collect::<Vec<_>>()
        {
            let mut events = Vec::new();
            let mut sink = |event: Event<'_>| events.extend(show(&event));
            match step {
                Step::Frontend(bytes) => {
                    session.frontend(&bytes, now, &mut sink);
                    tap.frontend(&bytes, now);
                }
                Step::Backend(bytes) => {
                    session.backend(&bytes, now, 0, &mut sink);
                    tap.backend(&bytes, now, 0);
                }
                Step::Pass(time) => {
                    now = At(now.0 + time.as_nanos() as u64);
                    tap.idle(now);
                }
                Step::Open => {
                    let fresh = profiler.open("127.0.0.1", now);
                    left.push(std::mem::replace(&mut tap, fresh));
                    session = Session::new();
                }
                Step::Close => {
                    session.close(now, &mut sink);
                    tap.close(now);
                }
                Step::CloseAll => {
                    session.close(now, &mut sink);
                    left.drain(..).for_each(|mut tap| tap.close(now));
                    tap.close(now);
                }
                Step::Explain(json) => explain(&profiler, &json, now),
            }
            if !terse {
                for event in events {
                    _ = writeln!(out, "= {event}");
                }
            }
        }
        let closed = profiler.requests(&filter);
        let shown: Vec<String> = (closed.iter().rev().skip(requests))
            .map(|request| {
                format!(
                    "= request {} queries={} boundary={}",
                    request.route,
                    request.queries,
                    request.boundary.as_str()
                )
            })
            .collect();
        for alike in shown.chunk_by(|one, other| one == other) {
            let times = match alike.len() {
                1 => String::new(),
                times => format!(" {times} times"),
            };
            _ = writeln!(out, "{}{times}", alike[0]);
        }
        requests = closed.len();
        let mut found = profiler.findings(&filter);
        found.sort_by_key(|finding| finding.first_seen);
        for finding in found.iter().skip(findings) {
            let kind = if finding.kind.is_empty() {
                String::new()
            } else {
                format!("/{}", finding.kind)
            };
            _ = writeln!(
                out,
                "= finding {}{kind} {} on {}: {}",
                finding.detector,
                finding.severity.as_str(),
                finding.route,
                finding.fix
            );
        }
        findings = found.len();
    }
    out
}

/// Tells the profiler what the side connection would of the SELECT that took most time.
fn explain(profiler: &Profiler, json: &str, now: At) {
    let said: serde_json::Value = serde_json::from_str(json).unwrap();
    let number = |name: &str| said[name].as_u64().unwrap();
    let plan = Plan::read(&said["plan"]).unwrap();
    let table = Table {
        schema: plan.scans[0].schema.clone(),
        name: plan.scans[0].table.clone(),
        rows: number("rows") as f64,
        scans: number("scans"),
        read: number("read"),
        indexes: Vec::new(),
    };
    let loads = profiler.loads(0);
    let longest = loads.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (statement, databases) = profiler.statement(longest.unwrap().fingerprint).unwrap();
    let explained = Explained {
        statement: &statement,
        plan: &plan,
        tables: &[table],
    };
    profiler.explained(&databases[0], &explained, now);
}

/// The events alone, with every message fed in pieces of `size` bytes.
fn events(text: &str, size: usize) -> Vec<String> {
    let mut session = Session::new();
    let mut now = At(1_000_000);
    let mut status = b'I';
    let mut events = Vec::new();
    let mut left: Vec<Session> = Vec::new();
    for line in lines(text) {
        for step in steps(line, &mut status) {
            let mut sink = |event: Event<'_>| events.extend(show(&event));
            match step {
                Step::Frontend(bytes) => {
                    bytes
                        .chunks(size)
                        .for_each(|piece| session.frontend(piece, now, &mut sink));
                }
                Step::Backend(bytes) => {
                    bytes
                        .chunks(size)
                        .for_each(|piece| session.backend(piece, now, 0, &mut sink));
                }
                Step::Pass(time) => now = At(now.0 + time.as_nanos() as u64),
                Step::Open => {
                    left.push(std::mem::take(&mut session));
                }
                Step::Close => session.close(now, &mut sink),
                Step::CloseAll => {
                    left.drain(..)
                        .for_each(|mut session: Session| session.close(now, &mut sink));
                    session.close(now, &mut sink);
                }
                Step::Explain(_) => {}
            }
        }
    }
    events
}

#[test]
fn conversations_give_the_written_events() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let update = std::env::var_os("UPDATE").is_some();
    let mut count = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let whole = events(&text, usize::MAX);
        for size in [1, 2, 3, 7, 64] {
            assert_eq!(events(&text, size), whole, "{name} in pieces of {size}");
        }
        let made = run(&text);
        if made != text {
            if update {
                std::fs::write(&path, &made).unwrap();
            } else {
                wrong.push(format!("{name} now gives:\n{made}"));
            }
        }
        count += 1;
    }
    assert!(count >= 20, "only {count} transcripts were found");
    assert!(
        wrong.is_empty(),
        "{}\nIf this is right: UPDATE=1 cargo test transcripts",
        wrong.join("\n")
    );
}

#[test]
fn every_detector_is_seen_in_a_conversation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let texts: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for name in pgscope::detect::Detectors::names() {
        let line = format!("= finding {name}");
        assert!(
            texts.iter().any(|text| text.contains(&line)),
            "no transcript shows {name}"
        );
    }
}
