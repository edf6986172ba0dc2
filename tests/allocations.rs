//! The hot path allocates nothing: a query of a known statement, within an open request, is decoded, attributed and
//! counted in buffers that are there already.

#![allow(clippy::unwrap_used)]

#[path = "../benches/support/mod.rs"]
mod support;

use pgscope::profiler::{Profiler, Tap};
use pgscope::proxy::{
    Address, Clock, Listener, Settings, Shared, ShutdownSettings, Threads, serve,
};
use pgscope::session::At;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::future::pending;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use support::{Exchange, comment, extended, get, page, prepare, prepared, simple, startup};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for all threads: one test at a time.
static TURN: Mutex<()> = Mutex::new(());
/// A measurement is repeated, and its least result holds: the harness may allocate in its own thread.
const ROUNDS: u64 = 5;
/// Queries of a request before its steady state: its comment, statements and tags are known then.
const FIRST: usize = 5;

/// A connection of Django with one clock for both directions.
struct Connection {
    tap: Tap,
    at: u64,
}

impl Connection {
    fn open(profiler: &Arc<Profiler>) -> Self {
        let tap = profiler.open("127.0.0.1:1", At(1));
        let mut connection = Self { tap, at: 1 };
        connection.show(&startup());
        connection
    }

    fn show(&mut self, exchange: &Exchange) {
        self.at += 100_000;
        self.tap.frontend(&exchange.request, At(self.at));
        self.at += 100_000;
        self.tap.backend(&exchange.reply, At(self.at), 0);
    }
}

/// Makes the `query`th query of a request.
type Query = fn(request: u64, query: u64) -> Exchange;

/// Each differs from query to query in its literals or parameters, and from request to request in its comment.
const STREAMS: [(&str, Query); 6] = [
    ("simple", |_, query| simple(&get(&query.to_string(), ""))),
    ("simple with a comment", |request, query| {
        simple(&get(&query.to_string(), &comment(request)))
    }),
    ("simple with strings", |_, query| {
        simple(&page(&format!("'{query}.50'::numeric"), ""))
    }),
    ("two statements in turn", |request, query| {
        let key = query.to_string();
        let text = if query % 2 == 0 { get } else { page };
        simple(&text(&key, &comment(request)))
    }),
    ("extended", |request, query| {
        extended(&get("$1", &comment(request)), &query.to_string())
    }),
    ("prepared", |_, query| {
        prepared("_pg3_1", &[&query.to_string()])
    }),
];

/// Runs requests that a health check parts. Returns the least number of allocations of the queries beyond the first
/// of a request, and of the whole request, its end included.
fn run(queries: u64, query: Query) -> (usize, usize) {
    let profiler = Arc::new(Profiler::default());
    let mut connection = Connection::open(&profiler);
    connection.show(&prepare("_pg3_1", &get("$1", "")));
    let probe = simple("SELECT 1");
    let mut least = (usize::MAX, usize::MAX);
    for request in 1..=ROUNDS {
        let exchanges: Vec<_> = (0..queries).map(|n| query(request, n + request)).collect();
        let (first, steady) = exchanges.split_at(FIRST.min(exchanges.len()));
        let whole = Region::new(ALLOCATOR);
        first.iter().for_each(|exchange| connection.show(exchange));
        let part = Region::new(ALLOCATOR);
        steady.iter().for_each(|exchange| connection.show(exchange));
        least.0 = least.0.min(count(&part));
        connection.show(&probe);
        least.1 = least.1.min(count(&whole));
    }
    least
}

fn count(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn a_query_within_a_request_allocates_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = STREAMS.map(|(name, query)| (name, run(50, query).0));
    assert_eq!(found, STREAMS.map(|(name, _)| (name, 0)));
}

/// A server that answers the exchanges in turn, again and again, and after so many is gone.
fn answer(listener: &TcpListener, exchanges: &[Exchange], times: usize) {
    let (mut socket, _) = listener.accept().unwrap();
    let startup = startup();
    let mut read = vec![0; 64 * 1024];
    for exchange in [&startup]
        .into_iter()
        .chain(exchanges.iter().cycle().take(times))
    {
        socket
            .read_exact(&mut read[..exchange.request.len()])
            .unwrap();
        socket.write_all(&exchange.reply).unwrap();
    }
}

/// The same through the relay: sockets, buffers, and what is put aside to be looked at later.
#[test]
fn a_query_through_the_relay_allocates_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, query) in STREAMS {
        let exchanges: Vec<_> = (0..64).map(|n| query(1, n)).collect();
        // More than a request keeps of its queries: what grows with them has grown.
        let (before, each) = (1500, 500);
        let times = before + each * ROUNDS as usize;
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = server.local_addr().unwrap().to_string();
        let (send, relay) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap())
                    .await
                    .unwrap();
                let Address::Tcp { host, port } = listener.address().unwrap() else {
                    unreachable!("bound to TCP")
                };
                let shared = Shared::new(
                    Arc::default(),
                    upstream.parse().unwrap(),
                    Settings::default(),
                    ShutdownSettings::default(),
                    Clock::start(),
                );
                send.send((host, port)).unwrap();
                serve(listener, Arc::new(shared), Threads::only_this(), pending()).await;
            });
        });
        let mut client = TcpStream::connect(relay.recv().unwrap()).unwrap();
        let least = thread::scope(|scope| {
            scope.spawn(|| answer(&server, &exchanges, times));
            let mut read = vec![0; 64 * 1024];
            let mut ask = |exchange: &Exchange| {
                client.write_all(&exchange.request).unwrap();
                client
                    .read_exact(&mut read[..exchange.reply.len()])
                    .unwrap();
            };
            ask(&startup());
            let mut turns = exchanges.iter().cycle();
            turns.by_ref().take(before).for_each(&mut ask);
            let rounds = (0..ROUNDS).map(|_| {
                let round = Region::new(ALLOCATOR);
                turns.by_ref().take(each).for_each(&mut ask);
                count(&round)
            });
            rounds.min()
        });
        assert_eq!(least, Some(0), "{name}");
    }
}

/// A request allocates at its end: a name, an entry of the last requests, what detectors look for. That does not grow
/// with its queries beyond the steps in which a buffer doubles.
#[test]
fn a_request_allocates_a_bounded_few() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, query) in STREAMS {
        let [healthy, looping, long] = [2, 50, 500].map(|queries| run(queries, query).1);
        println!(
            "{name}: {healthy} allocations a request of 2 queries, {looping} of 50, {long} of 500"
        );
        assert!(healthy <= 8, "{name}: {healthy}");
        assert!(looping <= 64, "{name}: {looping}");
        assert!(long <= looping + 32, "{name}: {looping}, then {long}");
    }
}
