//! What of a connection is counted.

use super::*;
use crate::stats::Source;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A server that says something out of place before it lets the client in costs the pairing, not the connection.
#[test]
fn queries_count_although_pairing_was_lost_during_the_startup() {
    let profiler = Arc::new(Profiler::default());
    let mut tap = profiler.open("127.0.0.1:1", At(1));
    tap.frontend(b"\0\0\0\x11\0\x03\0\0user\0me\0\0", At(1));
    let ready = message(b'Z', b"I");
    tap.backend(&[message(b's', b""), ready.clone()].concat(), At(2), 0);
    for _ in 0..2 {
        tap.frontend(&message(b'Q', b"SELECT 1\0"), At(3));
        let reply = [message(b'C', b"SELECT 1\0"), ready.clone()].concat();
        tap.backend(&reply, At(4), 0);
    }
    tap.close(At(5));
    let snapshot = profiler.snapshot();
    let pairs = snapshot.pairs.iter();
    let counted: u64 = pairs.flat_map(|pair| pair.queries.iter().flatten()).sum();
    assert_eq!(counted, 2);
    assert!(snapshot.blind.contains(&("pairing", 1)));
}

/// Whoever looks at many chunks does not wait for a copy, since the copy has waited for its turn.
#[test]
fn a_scrape_copies_when_it_is_its_turn() {
    let profiler = Arc::new(Profiler::default());
    let turn = profiler.turn().take();
    let (copied, copies) = std::sync::mpsc::channel();
    let scraping = Arc::clone(&profiler);
    let scrape = std::thread::spawn(move || copied.send(scraping.snapshot().pairs.len()));
    let early = copies.recv_timeout(std::time::Duration::from_millis(100));
    assert!(early.is_err(), "copied in another's turn");
    // It holds up nobody while it waits.
    profiler.open("127.0.0.1:1", At(1)).close(At(2));
    drop(turn);
    assert!(copies.recv().is_ok());
    assert!(scrape.join().is_ok());
    assert!(profiler.turn().take_if_free().is_some());
}
