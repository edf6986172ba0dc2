//! Timers that another thread keeps.
//!
//! While a timer is pending in an event loop, each of its waits for sockets has an end, and for that the kernel sets a
//! timer of the processor. On a virtual machine this is a call of the host: it cost 0.7 to 1 µs a query. So an event loop
//! that relays has no timers on the way of a query. It says when it wants to be woken, and the pulse, in an event loop
//! that has nothing else to do, wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Time is counted in periods of this, nanoseconds: all that is due within one is one call.
const PERIOD_NANOS: u64 = 5_000_000;
/// A moment that does not come.
const NEVER: u64 = u64::MAX;

/// Wakes event loops.
pub(super) struct Pulse {
    base: Instant,
    loops: Vec<Arc<Loop>>,
    /// When it looks next of itself; who wants to be woken sooner has to call it.
    until: AtomicU64,
    sooner: Notify,
}

/// What an event loop wants to be woken for.
struct Loop {
    next: AtomicU64,
    woken: Notify,
}

/// The side of what is woken.
pub(super) struct Beat {
    pulse: Arc<Pulse>,
    own: Arc<Loop>,
}

impl Pulse {
    /// For so many who want to be woken, which is what is returned beside.
    pub(super) fn new(loops: usize) -> (Arc<Self>, Vec<Beat>) {
        let asleep = |_| {
            Arc::new(Loop {
                next: AtomicU64::new(NEVER),
                woken: Notify::new(),
            })
        };
        let pulse = Arc::new(Self {
            base: Instant::now(),
            loops: (0..loops).map(asleep).collect(),
            until: AtomicU64::new(NEVER),
            sooner: Notify::new(),
        });
        let beat = |own: &Arc<Loop>| Beat {
            pulse: Arc::clone(&pulse),
            own: Arc::clone(own),
        };
        let beats = pulse.loops.iter().map(beat).collect();
        (pulse, beats)
    }

    /// Wakes who is due. Never ends.
    pub(super) async fn run(&self) {
        let mut woke = false;
        loop {
            // Who has just been woken wants to be again before long: then it need not call.
            let soon = if woke { self.now() + 1 } else { NEVER };
            // In this order: what is wanted meanwhile is either seen here or calls.
            self.until.store(NEVER, Ordering::SeqCst);
            let wanted = self.loops.iter();
            let wanted = wanted.map(|one| one.next.load(Ordering::SeqCst)).min();
            let until = wanted.unwrap_or(NEVER).min(soon);
            self.until.store(until, Ordering::SeqCst);
            if until == NEVER {
                self.sooner.notified().await;
            } else {
                tokio::select! {
                    () = self.sooner.notified() => {}
                    () = sleep_until(self.moment(until)) => {}
                }
            }
            woke = self.wake(self.now());
        }
    }

    /// True where any was due.
    fn wake(&self, now: u64) -> bool {
        let mut woke = false;
        for one in &self.loops {
            if one.next.load(Ordering::SeqCst) <= now {
                // What it wants after this it says again when it is awake.
                one.next.store(NEVER, Ordering::SeqCst);
                one.woken.notify_one();
                woke = true;
            }
        }
        woke
    }

    fn now(&self) -> u64 {
        periods(self.base.elapsed())
    }

    fn moment(&self, at: u64) -> Instant {
        let nanos = at.saturating_mul(PERIOD_NANOS);
        self.base + Duration::from_nanos(nanos)
    }
}

impl Beat {
    /// The number of this moment's period.
    pub(super) fn now(&self) -> u64 {
        self.pulse.now()
    }

    /// The number of the first period that begins when `delay` has passed.
    pub(super) fn after(&self, delay: Duration) -> u64 {
        let passed = self.pulse.base.elapsed().saturating_add(delay);
        periods(passed).saturating_add(1)
    }

    /// Wants to be woken when this period has begun. All that is wanted before that is forgotten then.
    pub(super) fn want(&self, at: u64) {
        self.own.next.fetch_min(at, Ordering::SeqCst);
        self.call_if_sooner(at);
    }

    /// Wants to be woken then instead of when it wanted before. To put off what is not due yet costs nobody a call.
    pub(super) fn want_instead(&self, at: u64) {
        self.own.next.store(at, Ordering::SeqCst);
        self.call_if_sooner(at);
    }

    /// What was wanted before is wanted no more.
    pub(super) fn want_nothing(&self) {
        self.own.next.store(NEVER, Ordering::SeqCst);
    }

    /// To be called when it is known what is wanted: then the pulse either sees it or is called.
    fn call_if_sooner(&self, at: u64) {
        if at < self.pulse.until.load(Ordering::SeqCst) {
            self.pulse.sooner.notify_one();
        }
    }

    /// Until it is woken.
    pub(super) async fn woken(&self) {
        self.own.woken.notified().await;
    }
}

/// Whole periods in a time.
fn periods(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / PERIOD_NANOS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    #[tokio::test]
    async fn what_is_put_off_in_time_wakes_nobody() {
        let (pulse, beats) = Pulse::new(2);
        let mut running = JoinSet::new();
        running.spawn(async move { pulse.run().await });
        let [one, other] = beats.as_slice() else {
            panic!("as many as were asked for");
        };
        one.want(one.after(Duration::from_millis(1)));
        one.want_instead(one.after(Duration::from_secs(3600)));
        other.want(other.after(Duration::from_millis(30)));
        // It is due later than the first would have been.
        let woken = timeout(Duration::from_secs(20), other.woken()).await;
        assert!(woken.is_ok());
        let mut late = pin!(one.woken());
        poll_fn(|cx| {
            assert!(late.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        one.want_instead(one.after(Duration::from_millis(1)));
        assert!(timeout(Duration::from_secs(20), late).await.is_ok());
    }
}
