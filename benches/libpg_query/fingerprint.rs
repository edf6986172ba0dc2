//! pgscope's normaliser beside libpg_query's fingerprint, on the same texts: an iteration is the whole mix once.

#[path = "../support/mix.rs"]
mod mix;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgscope::sql::{Dialect, Digest};
use std::hint::black_box;

fn fingerprint(criterion: &mut Criterion) {
    let texts = mix::mix(17);
    let refused = texts
        .iter()
        .find_map(|sql| pg_query::fingerprint(sql).err().map(|error| (sql, error)));
    assert!(refused.is_none(), "not PostgreSQL: {refused:?}");
    let bytes: usize = texts.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("django mix");
    group.throughput(Throughput::ElementsAndBytes {
        elements: texts.len() as u64,
        bytes: bytes as u64,
    });
    group.bench_function("pgscope", |bencher| {
        let mut digest = Digest::new();
        bencher.iter(|| {
            for sql in &texts {
                digest.read(black_box(sql.as_bytes()), sql.len(), Dialect::default());
                black_box(digest.parts().len());
            }
        });
    });
    group.bench_function("libpg_query", |bencher| {
        bencher.iter(|| {
            for sql in &texts {
                black_box(pg_query::fingerprint(black_box(sql)).is_ok());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, fingerprint);
criterion_main!(benches);
