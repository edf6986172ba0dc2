//! How fast message texts are normalised: MB/s and time per query, for what Django sends.

#[path = "support/mix.rs"]
mod mix;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgscope::sql::{Dialect, Digest, Facts, Tags};
use std::hint::black_box;

fn list(count: usize, member: impl Fn(usize) -> String) -> String {
    (0..count).map(member).collect::<Vec<_>>().join(", ")
}

fn statements() -> Vec<(&'static str, String)> {
    let get = r#"SELECT "lib_author"."id", "lib_author"."name", "lib_author"."bio" FROM "lib_author" WHERE "lib_author"."id" = 4711 LIMIT 21"#;
    let comment = r#" /*controller='two',db_driver='django.db.backends.postgresql',framework='django%3A5.2.19',route='two/',traceparent='00-d62c417d1deaadc0d3890aecef2fffad-52dcad3586905f68-03'*/"#;
    let columns = list(30, |n| format!(r#""lib_book"."column_{n}""#));
    vec![
        ("get", get.to_owned()),
        ("get with sqlcommenter", format!("{get}{comment}")),
        (
            "30 columns and a join",
            format!(
                r#"SELECT {columns}, "lib_author"."id", "lib_author"."name" FROM "lib_book" INNER JOIN "lib_author" ON ("lib_book"."author_id" = "lib_author"."id") WHERE ("lib_book"."title"::text LIKE '%x%' AND "lib_book"."price" > '1'::numeric) ORDER BY "lib_book"."id" ASC LIMIT 20 OFFSET 40"#
            ),
        ),
        (
            "IN of 1000",
            format!(
                r#"SELECT "lib_book"."id", "lib_book"."title" FROM "lib_book" WHERE "lib_book"."author_id" IN ({})"#,
                list(1000, |n| (1000 + n).to_string())
            ),
        ),
        (
            "VALUES of 1000 rows of 5",
            format!(
                r#"INSERT INTO "lib_book" ("title", "price", "pub", "a", "b") VALUES {} RETURNING "lib_book"."id""#,
                list(1000, |n| format!(
                    "('title {n}', '1.5'::numeric, '2026-11-20'::date, {n}, NULL)"
                ))
            ),
        ),
    ]
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalise");
    for (name, sql) in statements() {
        group.throughput(Throughput::Bytes(sql.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            sql.as_bytes(),
            |bencher, sql| {
                let mut digest = Digest::new();
                bencher.iter(|| {
                    digest.read(black_box(sql), sql.len(), Dialect::default());
                    black_box(digest.parts().len())
                });
            },
        );
    }
    group.finish();
}

/// What is done once for a statement that the table does not have.
fn facts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("facts");
    for (name, sql) in &statements()[..3] {
        let mut digest = Digest::new();
        digest.read(sql.as_bytes(), sql.len(), Dialect::default());
        let text = digest.text(&digest.parts()[0]);
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bencher, text| {
            bencher.iter(|| Facts::read(black_box(text)));
        });
    }
    group.finish();
}

/// The mix of `overhead/`: an iteration reads each text once.
fn django(criterion: &mut Criterion) {
    let texts = mix::mix(17);
    let mut group = criterion.benchmark_group("normalise");
    group.throughput(Throughput::ElementsAndBytes {
        elements: texts.len() as u64,
        bytes: texts.iter().map(String::len).sum::<usize>() as u64,
    });
    group.bench_function("django mix", |bencher| {
        let mut digest = Digest::new();
        bencher.iter(|| {
            for sql in &texts {
                digest.read(black_box(sql.as_bytes()), sql.len(), Dialect::default());
                black_box(digest.parts().len());
            }
        });
    });
    group.finish();
}

fn tags(criterion: &mut Criterion) {
    let mut digest = Digest::new();
    let (_, sql) = &statements()[1];
    digest.read(sql.as_bytes(), sql.len(), Dialect::default());
    let mut tags = Tags::default();
    criterion.bench_function("tags", |bencher| {
        bencher.iter(|| {
            tags.read(black_box(digest.comment()));
            black_box(tags.trace_id)
        });
    });
}

criterion_group!(benches, read, facts, django, tags);
criterion_main!(benches);
