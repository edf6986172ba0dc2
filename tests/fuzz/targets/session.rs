//! A conversation as records: what, length, bytes. The seeds are the transcripts, so that what is mutated is valid; a
//! framed record stays a message whatever becomes of its body. However the bytes are cut, the same events come out;
//! and each query that ends is counted once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgscope::profiler::Profiler;
use pgscope::session::{At, Event, Session};
use pgscope::stats::Source;
use records::{framed, records};
use std::sync::Arc;
use std::time::Duration;

#[path = "common.rs"]
mod common;
#[path = "records.rs"]
mod records;

enum Step {
    Frontend(Vec<u8>),
    Backend(Vec<u8>),
    Pass(Duration),
}

fn steps(data: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (what, payload) in records(data) {
        steps.push(match what % 6 {
            0 => Step::Frontend(payload.to_vec()),
            1 => Step::Backend(payload.to_vec()),
            2 => Step::Frontend(framed(payload)),
            3 => Step::Backend(framed(payload)),
            4 => Step::Pass(Duration::from_millis(payload.len() as u64)),
            // Nothing follows the end.
            _ => break,
        });
    }
    steps
}

/// The events, each message fed in pieces of this size.
fn events(steps: &[Step], size: usize) -> Vec<String> {
    let mut session = Session::new();
    let mut now = At(1);
    let mut found = Vec::new();
    for step in steps {
        let mut sink = |event: Event<'_>| found.push(format!("{event:?}"));
        match step {
            Step::Frontend(bytes) => bytes
                .chunks(size)
                .for_each(|piece| session.frontend(piece, now, &mut sink)),
            Step::Backend(bytes) => bytes
                .chunks(size)
                .for_each(|piece| session.backend(piece, now, 0, &mut sink)),
            Step::Pass(time) => now = At(now.0 + time.as_nanos() as u64),
        }
    }
    session.close(now, &mut |event| found.push(format!("{event:?}")));
    found
}

fuzz_target!(|data: &[u8]| {
    common::forgive_what_is_caught();
    // The panic that debug builds plant on request is no finding.
    if data.windows(7).any(|bytes| bytes == b"planted") {
        return;
    }
    let Some((size, data)) = data.split_first() else {
        return;
    };
    let steps = steps(data);
    let whole = events(&steps, usize::MAX);
    assert_eq!(whole, events(&steps, usize::from(size % 64) + 1));

    let profiler = Arc::new(Profiler::default());
    let mut now = At(1);
    let mut tap = profiler.open("127.0.0.1:1", now);
    for step in &steps {
        match step {
            Step::Frontend(bytes) => tap.frontend(bytes, now),
            Step::Backend(bytes) => tap.backend(bytes, now, 0),
            Step::Pass(time) => {
                now = At(now.0 + time.as_nanos() as u64);
                tap.idle(now);
            }
        }
    }
    tap.close(now);
    // What a client asked before it was let in is not counted.
    let ended = whole
        .iter()
        .skip_while(|event| !event.starts_with("Ready"))
        .filter(|event| event.starts_with("Query("))
        .count() as u64;
    let snapshot = profiler.snapshot();
    let counted: u64 = snapshot
        .pairs
        .iter()
        .flat_map(|pair| pair.queries.iter().flatten())
        .sum();
    assert!(
        counted >= ended,
        "{counted} of {ended} queries were counted"
    );
    assert!(snapshot.tables.iter().all(|table| table.evictions == 0));
});
