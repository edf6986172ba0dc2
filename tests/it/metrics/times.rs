//! Where the time goes: each part by itself, on a clock of the test's own.

use crate::support::messages::{done, message, query, startup, welcome};
use crate::support::scrape::Scrape;
use pgscope::admin::Metrics;
use pgscope::profiler::{Profiler, Tap};
use pgscope::session::At;
use std::sync::Arc;

/// A connection on which time passes when the test says so.
struct Wire {
    profiler: Arc<Profiler>,
    tap: Tap,
    now: u64,
}

impl Wire {
    fn open() -> Self {
        let profiler = Arc::new(Profiler::default());
        let tap = profiler.open("127.0.0.1:1", At(1));
        let mut wire = Self {
            profiler,
            tap,
            now: 1,
        };
        wire.asks(0, &startup("app", "cellar"));
        wire.says(3, &welcome(), 0);
        wire
    }

    fn pass(&mut self, millis: u64) -> At {
        self.now += millis * 1_000_000;
        At(self.now)
    }

    /// After so many milliseconds the client sends.
    fn asks(&mut self, millis: u64, bytes: &[u8]) {
        let at = self.pass(millis);
        self.tap.frontend(bytes, at);
    }

    /// After so many milliseconds the server sends, and for so many the client does not take it.
    fn says(&mut self, millis: u64, bytes: &[u8], stalled: u64) {
        let at = self.pass(millis);
        self.tap.backend(bytes, at, stalled * 1_000_000);
        self.pass(stalled);
    }

    fn scrape(&self) -> Scrape {
        let mut text = Vec::new();
        let metrics = Metrics::new(Arc::clone(&self.profiler) as _, Arc::default());
        metrics.write(&mut text).unwrap();
        Scrape::parse(&String::from_utf8(text).unwrap())
    }

    /// The scrape after the connection's end, which ends its request.
    fn close(mut self) -> Scrape {
        self.tap.close(At(self.now));
        self.scrape()
    }
}

fn millis(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> u64 {
    (scrape.sum(name, labels) * 1000.0).round() as u64
}

const ROW: &[u8] = &[0; 6];

/// Bind and Execute of the unnamed statement.
fn execute() -> Vec<u8> {
    [message(b'B', &[0; 8]), message(b'E', &[0; 5])].concat()
}

fn parse(sql: &str) -> Vec<u8> {
    message(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// What answers one [`execute`].
fn executed() -> Vec<u8> {
    [message(b'2', b""), message(b'C', b"UPDATE 1\0")].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

#[test]
fn a_slow_client_and_a_slow_server_are_told_apart() {
    let mut wire = Wire::open();
    wire.asks(0, &query("SELECT a FROM b"));
    wire.says(10, &message(b'D', ROW), 40);
    wire.says(15, &done(), 30);
    // Another verb has its own.
    wire.asks(0, &query("UPDATE b SET a = 1"));
    wire.says(2, &done(), 0);
    let scrape = wire.scrape();
    let select = [("database", "cellar"), ("verb", "SELECT")];
    let of = |name| millis(&scrape, name, &select);
    assert_eq!(of("query_duration_seconds_sum"), 65);
    assert_eq!(of("query_first_byte_seconds_sum"), 10);
    assert_eq!(of("query_transfer_seconds_total"), 15);
    assert_eq!(of("client_stall_seconds_total"), 70);
    assert_eq!(millis(&scrape, "query_transfer_seconds_total", &[]), 15);
    assert_eq!(millis(&scrape, "client_stall_seconds_total", &[]), 70);
}

#[test]
fn the_client_thinks_while_nothing_is_owed_and_only_within_a_request() {
    let mut wire = Wire::open();
    wire.asks(100, &query("SELECT a FROM b"));
    wire.says(4, &done(), 2);
    wire.asks(5, &query("BEGIN"));
    wire.says(6, &done(), 0);
    // Its first byte ends the wait.
    let update = query("UPDATE b SET a = 1");
    wire.asks(7, &update[..3]);
    wire.asks(20, &update[3..]);
    wire.says(8, &done(), 0);
    wire.pass(1000);
    let scrape = wire.close();
    let database = [("database", "cellar")];
    assert_eq!(millis(&scrape, "think_seconds_total", &database), 5 + 7);
    let duration = millis(&scrape, "request_duration_seconds_sum", &[]);
    assert_eq!(duration, 4 + 2 + 5 + 6 + 7 + 20 + 8);
}

#[test]
fn what_a_flush_has_answered_is_owed_no_more() {
    let mut wire = Wire::open();
    let flush = message(b'H', b"");
    wire.asks(0, &[parse("UPDATE b SET a = 1"), execute(), flush].concat());
    wire.says(9, &[message(b'1', b""), executed()].concat(), 0);
    wire.asks(3, &sync());
    wire.says(1, &ready(), 0);
    wire.asks(2, &query("SELECT a FROM b"));
    wire.says(1, &done(), 0);
    let scrape = wire.close();
    assert_eq!(millis(&scrape, "think_seconds_total", &[]), 3 + 2);
    assert_eq!(scrape.sum("batches_total", &[]), 0.0, "one query is none");
}

#[test]
fn a_batch_is_two_queries_or_more_between_two_syncs() {
    let mut wire = Wire::open();
    let head = parse("UPDATE b SET a = 1");
    let batch = [execute(), execute(), execute(), sync()].concat();
    // From its first byte, and though the next batch is on its way already.
    wire.asks(0, &head[..7]);
    wire.asks(4, &[&head[7..], &batch].concat());
    wire.asks(1, &[head.clone(), execute(), sync()].concat());
    wire.asks(1, &[execute(), execute(), sync()].concat());
    let parsed = message(b'1', b"");
    let replies = [parsed.clone(), executed(), executed(), executed()].concat();
    wire.says(10, &replies, 0);
    wire.says(2, &ready(), 0);
    let scrape = wire.scrape();
    assert_eq!(scrape.sum("batches_total", &[]), 1.0);
    assert_eq!(millis(&scrape, "batch_duration_seconds_sum", &[]), 18);

    wire.says(3, &[parsed, executed(), ready()].concat(), 0);
    assert_eq!(wire.scrape().sum("batches_total", &[]), 1.0);
    wire.says(5, &[executed(), executed(), ready()].concat(), 0);
    let scrape = wire.scrape();
    let database = [("database", "cellar")];
    assert_eq!(scrape.sum("batches_total", &database), 2.0);
    assert_eq!(millis(&scrape, "batch_duration_seconds_sum", &database), 38);
    assert_eq!(scrape.sum("batch_duration_seconds_count", &database), 2.0);
    assert_eq!(scrape.sum("queries_total", &[]), 6.0);
    // One that fails at once and skips the rest has run one query only.
    wire.asks(0, &[execute(), execute(), sync()].concat());
    let failed = [message(b'E', b"SERROR\0C23505\0\0"), ready()].concat();
    wire.says(1, &failed, 0);
    assert_eq!(wire.scrape().sum("batches_total", &[]), 2.0);
}

#[test]
fn a_sync_that_a_copy_swallows_ends_no_batch() {
    let mut wire = Wire::open();
    let copy = parse("COPY b FROM STDIN");
    wire.asks(0, &[copy, execute(), sync()].concat());
    let begun = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'G', &[0; 3]),
    ];
    wire.says(2, &begun.concat(), 0);
    let rest = [message(b'c', b""), execute(), sync()];
    wire.asks(3, &rest.concat());
    wire.says(
        4,
        &[message(b'C', b"COPY 0\0"), executed(), ready()].concat(),
        0,
    );
    let scrape = wire.scrape();
    assert_eq!(scrape.sum("batches_total", &[]), 1.0);
    assert_eq!(millis(&scrape, "batch_duration_seconds_sum", &[]), 9);
}
