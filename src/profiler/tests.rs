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

/// A client that the server has let in.
fn let_in(profiler: &Arc<Profiler>, at: At) -> Tap {
    let mut tap = profiler.open("127.0.0.1:1", at);
    tap.frontend(b"\0\0\0\x1d\0\x03\0\0user\0me\0database\0db\0\0", at);
    let reply = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    tap.backend(&reply, at, 0);
    tap
}

/// Sends a simple query, which is answered with this tag, one row of one column if it is a SELECT, and this status.
fn run(tap: &mut Tap, at: At, sql: &str, status: &[u8]) {
    tap.frontend(&message(b'Q', format!("{sql}\0").as_bytes()), at);
    let tag = sql.split(' ').next().unwrap_or_default();
    let mut reply = Vec::new();
    if tag == "SELECT" {
        let column = b"\0\x01id\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
        reply.extend(message(b'T', column));
        reply.extend(message(b'D', b"\0\x01\0\0\0\x017"));
    }
    reply.extend(message(b'C', format!("{tag} 1\0").as_bytes()));
    reply.extend(message(b'Z', status));
    tap.backend(&reply, At(at.0 + 1_000_000), 0);
}

/// What one connection reads twenty times is not proven to be the same where another's write becomes visible in between,
/// though the request that wrote goes on.
#[test]
fn a_write_is_known_before_its_request_ends() {
    let cacheable = |write: &str| {
        let profiler = Arc::new(Profiler::default());
        let mut reader = let_in(&profiler, At(1));
        let mut writer = let_in(&profiler, At(1));
        for step in 1..=55_u64 {
            let at = At(step * 250_000_000);
            run(&mut reader, at, "SELECT 1", b"I");
            run(&mut reader, at, "SELECT id FROM shop_category", b"I");
            let others: &[_] = match step {
                12 => &[("BEGIN", b"T"), (write, b"T")],
                13..30 => &[("SELECT id FROM shop_author", b"T")],
                30 => &[("COMMIT", b"I")],
                _ => &[("SELECT id FROM shop_author", b"I")],
            };
            for (sql, status) in others {
                run(&mut writer, at, sql, *status);
            }
        }
        let findings = profiler.snapshot().findings;
        let cacheable = (findings.iter()).filter(|row| row.detector == "cacheable_query");
        cacheable.count()
    };
    assert_eq!(cacheable("UPDATE shop_book SET title = 'x'"), 1);
    assert_eq!(cacheable("UPDATE shop_category SET name = 'x'"), 0);
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
