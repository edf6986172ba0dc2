//! Whole conversations. Valid ones: each query is reported once, with its statement, rows and outcome, and nothing is
//! dropped. Mutated ones (a message lost, sent twice, swapped, cut, corrupted): no panic, bounded memory, and silence
//! once blind. Either way the same events however the bytes are cut.

#![no_main]

use deliver::{Cuts, deliver};
use libfuzzer_sys::fuzz_target;
use model::{Choices, Conversation, Ended, Expected, Side, Step, converse};
use mutate::mutate;
use pgscope::session::{At, BlindReason, Event, Outcome, Session};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[path = "common.rs"]
mod common;
#[path = "conversation/deliver.rs"]
mod deliver;
#[path = "model/mod.rs"]
mod model;
#[path = "conversation/mutate.rs"]
mod mutate;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a session may hold whatever it is shown, bytes; and as much again for each byte that it is shown.
const HELD: usize = 256 * 1024;
const HELD_PER_BYTE: usize = 64;

/// Messages in a flood: more than a session keeps answers owed for.
const FLOOD: usize = 70_000;
/// 65,536 answers owed. The longest entries are Parses of named statements: the answer owed, the text in flight and the
/// statement behind it, each with what the normaliser found in it.
const HELD_IN_A_FLOOD: usize = 65_536 * 768;

struct Seen {
    session: Session,
    events: Vec<String>,
    queries: Vec<Expected>,
    dropped: bool,
    blind: bool,
    blind_for_good: bool,
    /// At the end, nothing was owed.
    quiet: bool,
}

impl Seen {
    fn new() -> Self {
        Self {
            session: Session::new(),
            events: Vec::new(),
            queries: Vec::new(),
            dropped: false,
            blind: false,
            blind_for_good: false,
            quiet: false,
        }
    }

    fn show(&mut self, side: Side, bytes: &[u8]) {
        self.look(|session, sink| match side {
            Side::Client => session.frontend(bytes, At(1), sink),
            Side::Server => session.backend(bytes, At(1), 0, sink),
        });
    }

    fn look(&mut self, look: impl FnOnce(&mut Session, &mut dyn FnMut(Event<'_>))) {
        let Self {
            session,
            events,
            queries,
            dropped,
            blind,
            blind_for_good,
            ..
        } = self;
        look(session, &mut |event| {
            assert!(!*blind_for_good, "{event:?} of a blind session");
            events.push(format!("{event:?}"));
            match event {
                Event::Query(query) => queries.push(Expected {
                    ended: match query.outcome {
                        Outcome::Complete => Ended::Complete,
                        Outcome::Empty => Ended::Empty,
                        Outcome::Suspended => Ended::Suspended,
                        Outcome::Error(_) => Ended::Error,
                        Outcome::Lost => Ended::Lost,
                    },
                    rows: query.rows,
                    bytes: query.bytes,
                    statement: query.statement.map(str::to_owned),
                }),
                Event::Dropped { .. } => *dropped = true,
                Event::Blind { reason } => {
                    *blind = true;
                    *blind_for_good = reason != BlindReason::Pairing;
                }
                _ => {}
            }
        });
        assert_eq!(*blind_for_good, session.is_blind());
    }
}

fn watch(steps: &[Step], cuts: Option<(&mut Cuts, bool)>) -> Seen {
    let mut seen = Seen::new();
    match cuts {
        Some((cuts, early)) => deliver(steps, cuts, early, &mut |side, bytes| {
            seen.show(side, bytes)
        }),
        None => steps
            .iter()
            .for_each(|step| seen.show(step.side, &step.bytes)),
    }
    seen.quiet = seen.session.is_quiet() && !seen.session.is_owed();
    seen.look(|session, sink| session.close(At(1), sink));
    seen
}

fn check_valid(conversation: &Conversation, seen: &Seen) {
    assert!(!seen.blind && !seen.dropped, "{:#?}", seen.events);
    let (found, expected) = (&seen.queries, &conversation.queries);
    assert_eq!(found.len(), expected.len(), "{:#?}", seen.events);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let well = !matches!(expected.ended, Ended::Error | Ended::Lost);
        let same = found.ended == expected.ended
            && found.rows == expected.rows
            && (!well || found.bytes == expected.bytes);
        let known = expected.statement.is_none() || found.statement == expected.statement;
        assert!(
            same && known,
            "query {at}: {found:?} in place of {expected:?}"
        );
    }
    assert!(seen.quiet || !conversation.answered, "{:#?}", seen.events);
}

/// What a session holds after these steps, `flood` of them shown so many times more.
fn check_memory(steps: &[Step], flood: Option<usize>) {
    let region = Region::new(ALLOCATOR);
    let mut session = Session::new();
    let mut shown = 0;
    for (at, step) in steps.iter().enumerate() {
        let times = if flood == Some(at) { FLOOD } else { 1 };
        for _ in 0..times {
            match step.side {
                Side::Client => session.frontend(&step.bytes, At(1), &mut |_| {}),
                Side::Server => session.backend(&step.bytes, At(1), 0, &mut |_| {}),
            }
        }
        shown += step.bytes.len();
    }
    let change = region.change();
    let held = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    let extra = if flood.is_some() { HELD_IN_A_FLOOD } else { 0 };
    let limit = HELD + HELD_PER_BYTE * shown + extra;
    assert!(
        held <= limit,
        "{held} bytes are held of {shown}, flood {flood:?}"
    );
    drop(session);
}

fuzz_target!(|data: &[u8]| {
    common::forgive_what_is_caught();
    let Some(([seed, flood, mutations @ ..], rest)) = data.split_first_chunk::<18>() else {
        return;
    };
    let mut conversation = converse(&mut Choices::new(rest), 40);
    let valid = !mutate(&mut conversation.steps, mutations);
    let whole = watch(&conversation.steps, None);
    if valid {
        check_valid(&conversation, &whole);
    }
    for early in [false, valid] {
        let mut cuts = Cuts::new(u64::from(*seed) + 1 + u64::from(early));
        let cut = watch(&conversation.steps, Some((&mut cuts, early)));
        assert_eq!(whole.events, cut.events);
        assert_eq!(whole.quiet, cut.quiet);
    }
    // Rarely and of short messages, since it takes long.
    let at = usize::from(*seed) % conversation.steps.len().max(1);
    let short = conversation
        .steps
        .get(at)
        .is_some_and(|step| step.bytes.len() <= 24);
    let flood = (*flood == 255 && short).then_some(at);
    check_memory(&conversation.steps, flood);
});
