//! Nothing: cargo wants a library beside a benchmark.
