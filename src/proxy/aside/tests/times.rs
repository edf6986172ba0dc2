//! When what is put aside is looked at, by the threads themselves.

use super::*;
use crate::proxy::catch_up::CatchUp;
use std::sync::mpsc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The thread, and the one that wakes it.
fn run(pulse: &Arc<Pulse>, aside: &Arc<Aside>, catch_up: &CatchUp) -> JoinSet<()> {
    let (pulse, aside, calls) = (Arc::clone(pulse), Arc::clone(aside), catch_up.join());
    let mut running = JoinSet::new();
    running.spawn(async move { pulse.run().await });
    running.spawn(async move { aside.look(calls).await });
    running
}

/// Waits until so many chunks have been looked at.
async fn until(notes: &Notes, seen: usize) {
    let looked = async {
        while notes.seen().len() < seen {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), looked).await.unwrap();
}

#[tokio::test]
async fn what_finds_no_company_is_looked_at_all_the_same() {
    let (pulse, aside) = beaten(Arc::default());
    let (mut watched, notes) = open(&aside);
    let _running = run(&pulse, &aside, &CatchUp::default());
    // One; some that come while a batch is under way, of which the rest comes with them; and one again.
    let all = 1 + CHUNKS + SLICE / 2;
    for (chunks, seen) in [(1, 1), (CHUNKS, 1 + SLICE), (SLICE / 2, all), (1, all + 1)] {
        let began = Instant::now();
        for _ in 0..chunks {
            watched.frontend(b"Q", At(0));
        }
        until(&notes, seen).await;
        assert!(chunks > 1 || began.elapsed() >= DELAY);
    }
}

#[tokio::test]
async fn who_has_time_looks_at_a_whole_batch() {
    for (nanos, looked) in [(BUSY_NANOS - 1, SLICE), (BUSY_NANOS, CHUNKS)] {
        let aside = aside(Arc::default());
        let (mut watched, notes) = open(&aside);
        for chunk in 1..=CHUNKS {
            assert!(!lock(&aside.waiting).called);
            watched.frontend(b"Q", At(nanos * u64::from(chunk == CHUNKS)));
        }
        aside.look_at_due().await;
        assert_eq!(notes.seen().len(), looked);
    }
}

#[tokio::test]
async fn a_call_that_comes_late_begins_no_batch() {
    let aside = aside(Arc::default());
    let (mut watched, notes) = open(&aside);
    for at in 0..CHUNKS as u64 {
        watched.frontend(b"Q", At(at));
    }
    look(&aside);
    watched.frontend(b"Q", At(CHUNKS as u64));
    aside.look_at_due().await;
    assert_eq!(notes.seen().len(), CHUNKS);
}

#[tokio::test]
async fn who_calls_waits_until_all_has_been_looked_at() {
    let turn = Arc::<Turn>::default();
    let (pulse, aside) = beaten(Arc::clone(&turn));
    let (mut watched, notes) = open(&aside);
    let catch_up = CatchUp::default();
    let _running = run(&pulse, &aside, &catch_up);
    for at in 0..CHUNKS as u64 + 1 {
        watched.frontend(b"Q", At(at));
    }
    // It is another thread's turn, for a while.
    let (taken, is_taken) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let _turn = turn.take();
        taken.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    });
    is_taken.recv().unwrap();
    catch_up.wait().await;
    assert_eq!(notes.seen().len(), CHUNKS + 1);
    other.join().unwrap();
}

#[tokio::test]
async fn what_comes_beside_a_batch_waits_no_less_for_company() {
    let (pulse, aside) = beaten(Arc::default());
    let (mut watched, notes) = open(&aside);
    for at in 0..CHUNKS as u64 {
        watched.frontend(b"Q", At(at));
    }
    assert_eq!(aside.look_at_slice(), Looked::Slice);
    let began = Instant::now();
    watched.frontend(b"Q", At(CHUNKS as u64));
    assert_eq!(aside.look_at_slice(), Looked::All);
    let _running = run(&pulse, &aside, &CatchUp::default());
    until(&notes, CHUNKS + 1).await;
    assert!(began.elapsed() >= DELAY);
}
