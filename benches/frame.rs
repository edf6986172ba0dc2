//! How fast a direction is cut into messages: bytes and messages per second.

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgscope::wire::Framer;
use std::hint::black_box;
use support::{message, rows};

/// What the relay reads at once.
const CHUNK: usize = 16 * 1024;

/// No body of a row is looked at, as in a session.
fn cap(tag: u8) -> usize {
    match tag {
        b'D' => 0,
        _ => 64,
    }
}

fn streams() -> Vec<(&'static str, Vec<u8>)> {
    let small = [
        message(b'2', b""),
        message(b'C', b"UPDATE 1\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    vec![
        ("rows of 40 bytes", rows(4000, 3, 8)),
        ("rows of 1 KiB", rows(400, 10, 100)),
        ("rows of 64 KiB", rows(16, 1, 64 * 1024)),
        ("small messages", small.repeat(4000)),
    ]
}

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for (name, bytes) in streams() {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(name),
            &bytes,
            |bencher, bytes| {
                let mut framer = Framer::new();
                bencher.iter(|| {
                    let mut messages = 0;
                    for mut chunk in black_box(bytes).chunks(CHUNK) {
                        while let Ok(Some(message)) = framer.next(&mut chunk, cap) {
                            messages += usize::from(black_box(message.tag) != 0);
                        }
                    }
                    messages
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, frame);
criterion_main!(benches);
