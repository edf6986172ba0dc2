//! Long work in short slices. The processor that a scrape takes for milliseconds is one that the relay, the clients or the
//! servers of a busy machine wait for: it is given back often while there is traffic, and kept while there is none.

use crate::stats::Source;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long to work at a stretch.
const SLICE: Duration = Duration::from_micros(100);

/// How long to rest then, while there is traffic.
const REST: Duration = Duration::from_micros(500);

/// How long after bytes were counted there is still traffic: longer than they may wait to be counted.
const QUIET: Duration = Duration::from_millis(20);

/// When work that is not urgent rests; one for the thread that does it.
pub(super) struct Pace {
    source: Arc<dyn Source>,
    clock: Mutex<Clock>,
}

struct Clock {
    /// When the slice began.
    slice: Instant,
    /// Bytes relayed.
    bytes: u64,
    /// When they were last seen to be more.
    traffic: Option<Instant>,
}

impl Pace {
    /// The pace beside the traffic of `source`.
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        let clock = Clock {
            slice: Instant::now(),
            bytes: 0,
            traffic: None,
        };
        Self {
            source,
            clock: Mutex::new(clock),
        }
    }

    /// Sleeps if it is time to; to be called every few microseconds of work, and never with a lock that traffic takes.
    pub(super) fn step(&self) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if now.saturating_duration_since(clock.slice) < SLICE {
            return;
        }
        if clock.is_in_the_way(now, self.bytes()) {
            thread::sleep(REST);
        }
        clock.slice = Instant::now();
    }

    fn bytes(&self) -> u64 {
        let (frontend, backend) = self.source.traffic().bytes();
        frontend.wrapping_add(backend)
    }
}

impl Clock {
    /// Whether there is traffic. The first time that this is asked for long, all that came since counts.
    fn is_in_the_way(&mut self, now: Instant, bytes: u64) -> bool {
        if bytes != self.bytes {
            self.bytes = bytes;
            self.traffic = Some(now);
        }
        let last = self.traffic;
        last.is_some_and(|last| now.saturating_duration_since(last) < QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rests_while_there_is_traffic_and_a_little_longer() {
        let start = Instant::now();
        let mut clock = Clock {
            slice: start,
            bytes: 0,
            traffic: None,
        };
        let mut asked = |millis, bytes| {
            let now = start + Duration::from_millis(millis);
            clock.is_in_the_way(now, bytes)
        };
        assert!(!asked(0, 0), "nothing ever came");
        assert!(asked(1, 10));
        assert!(asked(11, 10), "some may wait to be counted");
        assert!(asked(12, 20));
        assert!(asked(31, 20));
        assert!(!asked(33, 20));
        assert!(asked(9_000, 30), "some came since");
        assert!(!asked(9_020, 30));
    }
}
