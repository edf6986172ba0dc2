//! What it costs to follow values: reading them from rows, and matching them when a request ends. Throughput is in rows
//! and in queries.

mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgscope::profiler::{Profiler, Tap};
use pgscope::session::At;
use std::hint::black_box;
use std::sync::Arc;
use support::{message, query, ready, startup};

/// Columns of a book: two keys, a number and three texts.
const COLUMNS: [(&str, i32); 6] = [
    ("id", 20),
    ("title", 1043),
    ("pages", 23),
    ("author_id", 20),
    ("blurb", 25),
    ("language", 1043),
];

fn description() -> Vec<u8> {
    let mut body = (COLUMNS.len() as u16).to_be_bytes().to_vec();
    for (at, (name, oid)) in COLUMNS.iter().enumerate() {
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(16_809_u32.to_be_bytes());
        body.extend((at as u16 + 1).to_be_bytes());
        body.extend(oid.to_be_bytes());
        body.extend((-1_i16).to_be_bytes());
        body.extend((-1_i32).to_be_bytes());
        body.extend([0; 2]);
    }
    message(b'T', &body)
}

fn row(id: u64, author: u64) -> Vec<u8> {
    let values = [
        id.to_string(),
        format!("A book with the number {id}"),
        (100 + id % 300).to_string(),
        author.to_string(),
        "What the book is about, in a sentence or two that fill some room.".to_owned(),
        "en".to_owned(),
    ];
    let mut body = (values.len() as u16).to_be_bytes().to_vec();
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    message(b'D', &body)
}

/// The answer to a SELECT of these rows.
fn reply(rows: &[(u64, u64)]) -> Vec<u8> {
    let mut reply = description();
    rows.iter()
        .for_each(|(id, author)| reply.extend(row(*id, *author)));
    reply.extend(message(b'C', format!("SELECT {}\0", rows.len()).as_bytes()));
    reply.extend(ready());
    reply
}

/// 16 KiB at a time, as the relay reads.
fn show(tap: &mut Tap, request: &[u8], reply: &[u8], at: &mut u64) {
    *at += 50_000;
    tap.frontend(black_box(request), At(*at));
    for chunk in reply.chunks(16 * 1024) {
        *at += 50_000;
        tap.backend(black_box(chunk), At(*at), 0);
    }
}

fn open() -> (Tap, u64) {
    let mut tap = Arc::new(Profiler::default()).open("127.0.0.1:4", At(1));
    let (hello, mut at) = (startup(), 1);
    show(&mut tap, &hello.request, &hello.reply, &mut at);
    (tap, at)
}

fn lineage(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lineage");
    let authors = |count: u64| {
        (1..=count)
            .map(|id| (id, id * 7919 % 1000))
            .collect::<Vec<_>>()
    };
    let list = query(
        r#"SELECT "shop_book"."id", "shop_book"."title", "shop_book"."pages", "shop_book"."author_id", "shop_book"."blurb", "shop_book"."language" FROM "shop_book""#,
    );
    let probe = query("SELECT 1");
    let probed = [message(b'C', b"SELECT 1\0"), ready()].concat();

    for count in [20, 1000] {
        let rows = reply(&authors(count));
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("rows of a result of {count}"), |bencher| {
            let (mut tap, mut at) = open();
            bencher.iter(|| {
                show(&mut tap, &list, &rows, &mut at);
                show(&mut tap, &probe, &probed, &mut at);
            });
        });
    }

    // A list and its authors, one by one: with the health check that follows, the request is closed and judged.
    let books = authors(100);
    let rows = reply(&books);
    let gets: Vec<_> = (books.iter())
        .map(|(_, author)| {
            let sql = format!(r#"SELECT "shop_author"."id", "shop_author"."name" FROM "shop_author" WHERE "shop_author"."id" = {author} LIMIT 21"#);
            (query(&sql), reply(&[(*author, *author)]))
        })
        .collect();
    group.throughput(Throughput::Elements(101));
    group.bench_function("queries of a request with a loop of 100", |bencher| {
        let (mut tap, mut at) = open();
        bencher.iter(|| {
            show(&mut tap, &list, &rows, &mut at);
            gets.iter()
                .for_each(|(get, row)| show(&mut tap, get, row, &mut at));
            show(&mut tap, &probe, &probed, &mut at);
        });
    });

    // Nothing on the wire ends the request, and its values agree by chance only.
    let mixed: Vec<_> = (0..1000_u64)
        .map(|at| {
            let (table, key) = (at % 10, at * 7919 % 500 + 1);
            let sql = format!(r#"SELECT "t{table}"."id", "t{table}"."author_id" FROM "t{table}" WHERE "t{table}"."author_id" = {key}"#);
            let rows: Vec<_> = (0..15).map(|row| ((at * 31 + row * 17) % 500 + 1, key)).collect();
            (query(&sql), reply(&rows))
        })
        .collect();
    group.throughput(Throughput::Elements(1000));
    group.bench_function("queries of a request of 1000 without a loop", |bencher| {
        let (mut tap, mut at) = open();
        bencher.iter(|| {
            mixed
                .iter()
                .for_each(|(list, rows)| show(&mut tap, list, rows, &mut at));
            show(&mut tap, &probe, &probed, &mut at);
        });
    });
    group.finish();
}

criterion_group!(benches, lineage);
criterion_main!(benches);
