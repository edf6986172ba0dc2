//! One entry, everything in sum, and what happens as it happens.

use super::http::{Server, start};
use crate::admin::events::MAX_STREAMS;
use crate::admin::fixture::{Fixture, state, state_of};
use crate::request::{Boundary, Entry, Group, Request, Transaction};
use crate::session::At;
use crate::sql::{Fingerprint, Statement, Verb};
use crate::stats::{QuerySample, Settings, Stats};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

const MILLISECOND: u64 = 1_000_000;

/// So many requests of one list and two queries in a loop, of 1 ms each.
fn source(requests: u32) -> Fixture {
    let mut stats = Stats::new(&Settings::default());
    let key = stats.session("app", "web");
    let statement = Arc::new(Statement::new(Fingerprint(0xabc), "SELECT ?"));
    let sample = QuerySample {
        statement: Some(stats.statement(Fingerprint(0xabc), || Arc::clone(&statement))),
        verb: Verb::Select,
        error: false,
        nanos: 2 * MILLISECOND,
        first_byte_nanos: MILLISECOND,
        stalled_nanos: 0,
        rows: 4,
    };
    stats.query(key, &sample);
    let gone = Arc::new(Statement::new(Fingerprint(0xdef), "SELECT ?, ?"));
    let entry = |group, place: u64| Entry {
        group,
        started: At((10 + 2 * place) * MILLISECOND),
        nanos: MILLISECOND,
        rows: 1,
        ..Entry::default()
    };
    let request = Request {
        database: "app".into(),
        route: "wines/".into(),
        boundary: Boundary::Probe,
        opened: At(10 * MILLISECOND),
        closed: At(20 * MILLISECOND),
        queries: 4,
        nanos: 3 * MILLISECOND,
        groups: vec![Group::new(gone), Group::new(statement)],
        entries: vec![entry(0, 0), entry(1, 1), entry(1, 2)],
        transactions: vec![Transaction {
            began: At(9 * MILLISECOND),
            ended: At(19 * MILLISECOND),
            idle: MILLISECOND,
            longest_idle: MILLISECOND,
            queries: 3,
            committed: true,
        }],
        ..Request::default()
    };
    for _ in 0..requests {
        stats.request(&request, &["n_plus_one"]);
    }
    Fixture::new(stats)
}

async fn get(server: &Server, path: &str) -> Value {
    let answer = server.get(path, "").await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_request_is_shown_query_by_query_with_repeats_folded() {
    let server = start(state_of(source(1))).await;
    assert_eq!(server.list("requests").await[0]["id"], 1);
    let request = &get(&server, "/api/v1/requests/1").await["request"];
    assert_eq!(request["findings"], json!(["n_plus_one"]));
    assert_eq!(request["opened"], "2026-01-31T12:00:00.010Z");
    assert_eq!(request["timeline_queries_left_out"], 1);
    let lost = &request["timeline"][0];
    assert_eq!((&lost["query"], &lost["calls"]), (&json!(""), &json!(1)));
    let folded = json!({
        "start_seconds": 0.002, "seconds": 0.003, "database_seconds": 0.002, "calls": 2, "rows": 2, "errors": 0,
        "fingerprint": "0000000000000abc", "verb": "SELECT", "table": "", "query": "SELECT ?", "callsite": "",
        "in_transaction": false,
    });
    let mut shown = request["timeline"][1].clone();
    let start = shown["start_seconds"].as_f64().unwrap();
    shown["start_seconds"] = json!((start * 1e6).round() / 1e6);
    assert_eq!(shown, folded);
    let block = &request["transactions"][0];
    assert!(
        block["start_seconds"].as_f64().unwrap() < 0.0,
        "it began before the first query"
    );
    assert_eq!(
        (&block["idle_seconds"], &block["committed"]),
        (&json!(0.001), &json!(true))
    );
    for path in ["/api/v1/requests/2", "/api/v1/requests/x"] {
        let answer = server.get(path, "").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("stats.recent_requests"));
    }
}

#[tokio::test]
async fn a_statement_is_shown_with_its_durations() {
    let server = start(state_of(source(0))).await;
    let statement = &get(&server, "/api/v1/statements/0000000000000abc").await["statement"];
    assert_eq!(
        (&statement["calls"], &statement["rows"]),
        (&json!(1), &json!(4))
    );
    let rows = json!({"p50": 4, "p90": 4, "p99": 4, "max": 4});
    assert_eq!(statement["rows_per_call"], rows);
    let buckets = statement["histogram"].as_array().unwrap();
    let upper = buckets[0]["upper_seconds"].as_f64().unwrap();
    assert_eq!((buckets.len(), &buckets[0]["count"]), (1, &json!(1)));
    assert!((0.002..0.00215).contains(&upper), "{upper}");
    for path in ["0000000000000def", "x"] {
        let answer = server.get(&format!("/api/v1/statements/{path}"), "").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_overview_adds_everything_up() {
    let server = start(state_of(source(3))).await;
    let overview = get(&server, "/api/v1/overview").await;
    assert_eq!(
        (&overview["queries_total"], &overview["requests_total"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        overview["upstreams"],
        json!([{"upstream": "db:5432", "up": false}])
    );
    let tables = overview["tables"].as_array().unwrap();
    let statements = tables.iter().find(|table| table["table"] == "statements");
    let full = json!({"table": "statements", "entries": 1, "size": 1000, "evictions": 0});
    assert_eq!(statements, Some(&full));
}

/// An open event stream, line by line.
struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    async fn open(server: &Server, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let host = server.address;
        let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(BufReader::new(stream).lines())
    }

    async fn line(&mut self) -> String {
        let line = self.0.next_line().await.unwrap();
        line.expect("the stream ended")
    }

    /// The data of the next event of this name.
    async fn event(&mut self, name: &str) -> Value {
        while self.line().await != format!("event: {name}") {}
        let data = self.line().await;
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    }
}

#[tokio::test]
async fn events_tell_what_is_new_and_how_much_was_left_out() {
    let server = start(state_of(source(60))).await;
    let mut fresh = Stream::open(&server, "").await;
    assert_eq!(fresh.line().await, "HTTP/1.1 200 OK");
    let overview = fresh.event("overview").await;
    assert_eq!(overview["requests_total"], 60);
    let requests = fresh.event("requests").await;
    assert_eq!(requests["requests"].as_array().map(Vec::len), Some(50));
    assert_eq!(requests["dropped"], 0, "it asked for nothing older");
    fresh.event("findings").await;
    // Nothing has changed since: the next second brings the sums alone.
    fresh.event("overview").await;
    assert_eq!(fresh.line().await, "");

    let mut back = Stream::open(&server, "Last-Event-ID: 5\r\n").await;
    let requests = back.event("requests").await;
    assert_eq!(requests["requests"].as_array().map(Vec::len), Some(50));
    assert_eq!(
        (&requests["requests"][0]["id"], &requests["dropped"]),
        (&json!(60), &json!(5))
    );

    let mut restarted = Stream::open(&server, "Last-Event-ID: 900\r\n").await;
    assert_eq!(restarted.event("requests").await["dropped"], 0);
}

#[tokio::test]
async fn streams_are_few_and_end_with_the_server() {
    let server = start(state()).await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut stream = Stream::open(&server, "").await;
        assert_eq!(stream.line().await, "HTTP/1.1 200 OK");
        streams.push(stream);
    }
    let refused = server.get("/api/v1/events", "").await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("close a page"), "{}", refused.body);
    assert_eq!(server.get("/livez", "").await.status, 200);
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    while streams[0].0.next_line().await.unwrap().is_some() {}
}
