//! What a query costs: decoded alone, and with all that the profiler does with it. Throughput is in queries.

#[path = "support/mix.rs"]
mod mix;
mod support;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use pgscope::profiler::{Profiler, Tap};
use pgscope::session::{At, Event, Session};
use std::hint::black_box;
use std::sync::Arc;
use support::{Exchange, comment, extended, get, list, page, prepare, prepared, simple, startup};

/// Literals that a stream of queries goes through.
const KEYS: usize = 64;
/// Queries of one pipeline.
const PIPELINE: usize = 100;
/// From one read to the next, nanoseconds.
const STEP: u64 = 100_000;

/// What is measured shows itself both directions of a connection.
trait Watch {
    fn show(&mut self, exchange: &Exchange, at: &mut u64);
}

/// Decoding only.
struct Decoder(Session);

impl Watch for Decoder {
    fn show(&mut self, exchange: &Exchange, at: &mut u64) {
        *at += STEP;
        let sink = &mut |event: Event<'_>| {
            black_box(&event);
        };
        self.0.frontend(black_box(&exchange.request), At(*at), sink);
        *at += STEP;
        self.0.backend(black_box(&exchange.reply), At(*at), 0, sink);
    }
}

impl Watch for Tap {
    fn show(&mut self, exchange: &Exchange, at: &mut u64) {
        *at += STEP;
        self.frontend(black_box(&exchange.request), At(*at));
        *at += STEP;
        self.backend(black_box(&exchange.reply), At(*at), 0);
    }
}

fn keys() -> Vec<String> {
    (0..KEYS).map(|key| (4000 + key).to_string()).collect()
}

/// As many statements; the table of statements has room for 1000.
fn distinct(statements: usize) -> Vec<Exchange> {
    let text = |at| get("4000", "").replace("bio", &format!("bio_{at}"));
    (0..statements).map(|at| simple(&text(at))).collect()
}

/// Name, queries in one exchange, what comes first, the exchanges.
type Stream = (&'static str, usize, Vec<Exchange>, Vec<Exchange>);

fn streams() -> Vec<Stream> {
    let keys = keys();
    let tags = comment(1);
    let named = || prepare("_pg3_1", &get("$1", ""));
    let pipeline: Vec<&str> = keys
        .iter()
        .cycle()
        .take(PIPELINE)
        .map(String::as_str)
        .collect();
    vec![
        (
            "simple",
            1,
            vec![],
            keys.iter().map(|key| simple(&get(key, ""))).collect(),
        ),
        (
            "simple, 30 columns",
            1,
            vec![],
            keys.iter().map(|key| simple(&page(key, ""))).collect(),
        ),
        ("simple, 500 statements", 1, vec![], distinct(500)),
        ("simple, 20000 statements", 1, vec![], distinct(20_000)),
        (
            "Django's mix",
            1,
            vec![],
            (10..99).flat_map(mix::mix).map(|sql| list(&sql)).collect(),
        ),
        (
            "simple, comment",
            1,
            vec![],
            keys.iter().map(|key| simple(&get(key, &tags))).collect(),
        ),
        (
            "extended",
            1,
            vec![],
            keys.iter()
                .map(|key| extended(&get("$1", ""), key))
                .collect(),
        ),
        (
            "prepared",
            1,
            vec![named()],
            keys.iter().map(|key| prepared("_pg3_1", &[key])).collect(),
        ),
        (
            "pipelined 100",
            PIPELINE,
            vec![named()],
            vec![prepared("_pg3_1", &pipeline)],
        ),
    ]
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, open: impl Fn() -> Box<dyn Watch>) {
    for (name, queries, first, exchanges) in streams() {
        group.throughput(Throughput::Elements(queries as u64));
        group.bench_function(name, |bencher| {
            let mut watch = open();
            let mut at = 0;
            for exchange in [startup()].iter().chain(&first) {
                watch.show(exchange, &mut at);
            }
            let mut next = exchanges.iter().cycle();
            bencher.iter(|| {
                if let Some(exchange) = next.next() {
                    watch.show(exchange, &mut at);
                }
            });
        });
    }
}

fn session(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    measure(&mut group, || Box::new(Decoder(Session::new())));
    group.finish();
}

fn tap(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tap");
    let profiler = Arc::new(Profiler::default());
    measure(&mut group, || Box::new(profiler.open("127.0.0.1:1", At(1))));
    group.finish();
}

criterion_group!(benches, session, tap);
criterion_main!(benches);
