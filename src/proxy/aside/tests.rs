//! What is put aside, and until when.

use super::*;
use crate::proxy::clock::Clock;
use crate::proxy::pulse::Pulse;

mod times;

/// Writes down what it is shown; panics when it is shown `BOOM`.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, what: &str, bytes: &[u8]) {
        let bytes = String::from_utf8_lossy(bytes);
        self.0.lock().unwrap().push(format!("{what} {bytes}"));
    }

    fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Watch for Notes {
    fn may_wait(&self) -> bool {
        true
    }

    fn frontend(&mut self, bytes: &[u8], at: At) {
        assert_ne!(bytes, b"BOOM");
        self.add(&format!("{} up", at.0), bytes);
    }

    fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        self.add(&format!("{} {stalled} down", at.0), bytes);
    }

    fn idle(&mut self, _: At) -> Option<Duration> {
        self.add("idle", b"");
        None
    }

    fn panicked(&mut self) {
        self.add("panicked", b"");
    }

    fn close(&mut self, _: At) {
        self.add("close", b"");
    }

    fn is_terminated(&self) -> bool {
        self.seen().iter().any(|seen| seen.ends_with("X"))
    }

    fn is_owed(&self) -> bool {
        self.seen().last().is_some_and(|seen| seen.contains("up"))
    }
}

/// A chunk that may wait, bytes: batches of it are full before they have too many chunks.
const SHORT: usize = LONG / 2;

fn aside(turn: Arc<Turn>) -> Arc<Aside> {
    beaten(turn).1
}

/// With the pulse that it has to be woken by.
fn beaten(turn: Arc<Turn>) -> (Arc<Pulse>, Arc<Aside>) {
    let (pulse, mut beats) = Pulse::new(1);
    let aside = Aside::new(beats.remove(0), turn);
    (pulse, Arc::new(aside))
}

/// Looks as the thread does when the pulse has woken it.
fn look(aside: &Aside) {
    for _ in 0..2 {
        while aside.look_at_slice() == Looked::Slice {}
    }
}

/// Looks as the thread does when it was called. False where it was not.
fn look_if_due(aside: &Aside) -> bool {
    let called = lock(&aside.waiting).called;
    if called {
        aside.look_at_slice();
    }
    called
}

fn open(aside: &Arc<Aside>) -> (Watched<Notes>, Notes) {
    let notes = Notes::default();
    let watch = Guarded::new(notes.clone(), Arc::default(), Clock::start());
    (Watched::new(watch, Arc::clone(aside)), notes)
}

/// Two connections that have put a whole batch aside, by turns.
fn halves_of_a_batch(aside: &Arc<Aside>) -> [(Watched<Notes>, Notes); 2] {
    let mut connections = [open(aside), open(aside)];
    for at in 0..CHUNKS as u64 / 2 {
        for (watched, _) in &mut connections {
            watched.frontend(b"Q", At(at));
        }
    }
    connections
}

#[test]
fn chunks_wait_for_company_and_keep_their_order_and_moments() {
    let aside = aside(Arc::default());
    let mut connections: Vec<_> = (0..4).map(|_| open(&aside)).collect();
    let turns = CHUNKS / connections.len() / 2;
    for turn in 0..turns {
        for (watched, notes) in &mut connections {
            assert!(!look_if_due(&aside));
            assert_eq!(notes.seen(), Vec::<String>::new());
            watched.frontend(format!("Q{turn}").as_bytes(), At(10 * turn as u64));
            watched.backend(format!("A{turn}").as_bytes(), At(10 * turn as u64 + 5), 3);
        }
    }
    assert!(look_if_due(&aside));
    let seen = |notes: &[(Watched<Notes>, Notes)]| -> usize {
        notes.iter().map(|(_, notes)| notes.seen().len()).sum()
    };
    assert_eq!(seen(&connections), SLICE);
    look(&aside);
    for (_, notes) in &connections {
        let expected: Vec<_> = (0..turns)
            .flat_map(|turn| {
                [
                    format!("{} up Q{turn}", 10 * turn),
                    format!("{} 3 down A{turn}", 10 * turn + 5),
                ]
            })
            .collect();
        assert_eq!(notes.seen(), expected);
    }
}

#[test]
fn a_look_comes_when_the_first_chunk_has_waited_long_enough() {
    let aside = aside(Arc::default());
    let (mut one, notes) = open(&aside);
    let (mut other, _) = open(&aside);
    let start = 1_000_000_000;
    one.frontend(b"Q", At(start));
    other.frontend(b"Q", At(start + DELAY_NANOS - 1));
    assert!(!look_if_due(&aside));
    assert_eq!(notes.seen(), Vec::<String>::new());
    other.backend(b"A", At(start + DELAY_NANOS), 0);
    assert!(look_if_due(&aside));
    assert_eq!(notes.seen(), ["1000000000 up Q"]);
}

#[test]
fn who_asks_is_told_what_was_put_aside_too() {
    let aside = aside(Arc::default());
    let (mut watched, notes) = open(&aside);
    watched.frontend(b"Q", At(1));
    assert!(watched.is_owed());
    watched.backend(b"A", At(2), 0);
    assert!(!watched.is_owed());
    watched.frontend(b"X", At(3));
    assert!(watched.is_terminated());
    watched.frontend(b"Y", At(4));
    watched.idle(At(5));
    assert_eq!(
        notes.seen(),
        ["1 up Q", "2 0 down A", "3 up X", "4 up Y", "idle "]
    );
    watched.frontend(b"Z", At(6));
    drop(watched);
    assert_eq!(notes.seen()[5..], ["6 up Z", "close "]);
    // What is still listed is looked at once more, and nothing comes of it.
    look(&aside);
    assert_eq!(notes.seen().len(), 7);
}

#[test]
fn a_long_chunk_is_looked_at_at_once_and_behind_those_before_it() {
    let aside = aside(Arc::default());
    let (mut watched, notes) = open(&aside);
    watched.frontend(b"Q", At(1));
    watched.backend(&[b'r'; LONG], At(2), 0);
    assert_eq!(notes.seen().len(), 2);
    assert_eq!(notes.seen()[0], "1 up Q");
    // What follows waits again.
    watched.frontend(b"Q", At(3));
    assert_eq!(notes.seen().len(), 2);
    look(&aside);
    assert_eq!(notes.seen()[2], "3 up Q");
}

#[test]
fn many_bytes_are_looked_at_before_there_are_many_chunks() {
    let aside = aside(Arc::default());
    let (mut watched, notes) = open(&aside);
    let fill = |watched: &mut Watched<Notes>, bytes: usize| {
        for _ in 0..bytes / SHORT {
            watched.frontend(&[b'q'; SHORT], At(1));
        }
    };
    fill(&mut watched, BYTES - SHORT);
    assert!(!look_if_due(&aside));
    fill(&mut watched, SHORT);
    assert!(look_if_due(&aside));
    assert_eq!(notes.seen().len(), BYTES / SHORT);
    // While it is another's turn there is room for more.
    let others = aside.turn.take();
    fill(&mut watched, MOST_BYTES - SHORT);
    look_if_due(&aside);
    assert_eq!(notes.seen().len(), BYTES / SHORT);
    drop(others);
    fill(&mut watched, SHORT);
    assert_eq!(notes.seen().len(), (BYTES + MOST_BYTES) / SHORT);
}

#[test]
fn another_threads_turn_is_waited_for_only_where_there_is_no_more_room() {
    let turn = Arc::<Turn>::default();
    let aside = aside(Arc::clone(&turn));
    let (mut watched, notes) = open(&aside);
    let others = turn.take();
    for at in 1..MOST as u64 {
        watched.frontend(b"Q", At(at));
    }
    look_if_due(&aside);
    assert_eq!(notes.seen(), Vec::<String>::new());
    std::thread::scope(|scope| {
        let last = scope.spawn(|| watched.frontend(b"Q", At(MOST as u64)));
        drop(others);
        last.join().unwrap();
    });
    assert_eq!(notes.seen().len(), MOST);
    // The turn has been given back.
    for at in 0..CHUNKS as u64 {
        watched.frontend(b"Q", At(at));
    }
    assert!(look_if_due(&aside));
    assert_eq!(notes.seen().len(), MOST + SLICE);
}

#[test]
fn the_next_chunk_calls_again_where_it_was_another_threads_turn() {
    let aside = aside(Arc::default());
    let (mut watched, notes) = open(&aside);
    let others = aside.turn.take();
    for at in 1..=CHUNKS as u64 {
        watched.frontend(b"Q", At(at));
    }
    assert!(look_if_due(&aside));
    drop(others);
    assert!(!look_if_due(&aside));
    assert_eq!(notes.seen().len(), 0);
    watched.frontend(b"Q", At(CHUNKS as u64 + 1));
    assert!(look_if_due(&aside));
    assert_eq!(notes.seen().len(), SLICE);
}

#[test]
fn a_batch_is_looked_at_in_slices_while_the_next_is_filled() {
    let aside = aside(Arc::default());
    let [(_one, one_notes), (mut other, other_notes)] = halves_of_a_batch(&aside);
    let mut at = CHUNKS as u64 / 2;
    for slice in 1..=CHUNKS / SLICE {
        assert!(look_if_due(&aside));
        let seen = one_notes.seen().len() + other_notes.seen().len();
        assert_eq!(seen, slice * SLICE);
        for _ in 0..SLICE {
            assert!(!look_if_due(&aside));
            other.frontend(b"Q", At(at));
            at += 1;
        }
    }
    // All of the first batch, and the next is whole.
    assert_eq!(one_notes.seen().len(), CHUNKS / 2);
    assert_eq!(other_notes.seen().len(), CHUNKS / 2);
    look(&aside);
    let expected: Vec<_> = (0..at).map(|at| format!("{at} up Q")).collect();
    assert_eq!(other_notes.seen(), expected);
}

#[test]
fn who_asks_between_two_slices_is_told_what_is_in_either_batch() {
    let aside = aside(Arc::default());
    let [_one, (mut other, notes)] = halves_of_a_batch(&aside);
    assert!(look_if_due(&aside));
    let last = CHUNKS as u64 / 2;
    other.backend(b"A", At(last), 0);
    assert_eq!(notes.seen().len(), 0);
    assert!(!other.is_owed());
    let up = (0..last).map(|at| format!("{at} up Q"));
    let expected: Vec<_> = up.chain([format!("{last} 0 down A")]).collect();
    assert_eq!(notes.seen(), expected);
    other.frontend(b"Q", At(last + 1));
    look(&aside);
    assert_eq!(notes.seen().len(), expected.len() + 1);
}

#[test]
fn a_panic_is_the_connections_own() {
    let aside = aside(Arc::default());
    let (mut bad, bad_notes) = open(&aside);
    let (mut good, good_notes) = open(&aside);
    bad.frontend(b"BOOM", At(1));
    bad.frontend(b"Q", At(2));
    good.frontend(b"Q", At(3));
    look(&aside);
    assert_eq!(bad_notes.seen(), ["panicked "]);
    assert_eq!(good_notes.seen(), ["3 up Q"]);
    drop(bad);
    assert_eq!(bad_notes.seen(), ["panicked ", "close "]);
}
