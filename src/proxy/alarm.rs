//! The timers of the connections of one event loop, kept by the [pulse](super::pulse).

use crate::proxy::pulse::Beat;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// Alarms that are set. As many as there are connections.
pub(super) struct Alarms {
    beat: Beat,
    /// Those that were due in this period or before have rung.
    rung: AtomicU64,
    set: Mutex<Set>,
}

/// Period and number of an alarm.
type Place = (u64, u64);

#[derive(Default)]
struct Set {
    waiting: BTreeMap<Place, Waker>,
    next_number: u64,
}

/// One connection's. Rings once, some milliseconds late at most; then it is off.
pub(super) struct Alarm {
    alarms: Arc<Alarms>,
    place: Option<Place>,
}

impl Alarms {
    pub(super) fn new(beat: Beat) -> Self {
        Self {
            beat,
            rung: AtomicU64::new(0),
            set: Mutex::default(),
        }
    }

    /// One that is off.
    pub(super) fn alarm(self: &Arc<Self>) -> Alarm {
        Alarm {
            alarms: Arc::clone(self),
            place: None,
        }
    }

    /// Rings each when it is due. Never ends.
    pub(super) async fn ring(&self) {
        loop {
            self.beat.woken().await;
            self.ring_due();
        }
    }

    /// Rings those that are due, and wants to be woken for the next.
    fn ring_due(&self) {
        let now = self.beat.now();
        let mut set = self.lock();
        self.rung.store(now, Ordering::Release);
        while let Some(first) = set.waiting.first_entry()
            && first.key().0 <= now
        {
            first.remove().wake();
        }
        let next = set.waiting.first_key_value();
        if let Some((place, _)) = next {
            self.beat.want(place.0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alarm {
    pub(super) fn is_set(&self) -> bool {
        self.place.is_some()
    }

    /// Wakes `waker` when the delay has passed.
    pub(super) fn set(&mut self, delay: Duration, waker: &Waker) {
        self.clear();
        let at = self.alarms.beat.after(delay);
        let mut set = self.alarms.lock();
        let place = (at, set.next_number);
        set.next_number += 1;
        set.waiting.insert(place, waker.clone());
        drop(set);
        self.place = Some(place);
        self.alarms.beat.want(at);
    }

    /// True once when the time is up.
    pub(super) fn rings(&mut self) -> bool {
        // Asked for each chunk, and nearly always in vain: what all alarms share is in the caches.
        let rung = self.alarms.rung.load(Ordering::Acquire);
        self.place.take_if(|(at, _)| *at <= rung).is_some()
    }

    fn clear(&mut self) {
        if let Some(place) = self.place.take() {
            self.alarms.lock().waiting.remove(&place);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::proxy::pulse::Pulse;
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::task::JoinSet;
    use tokio::time::{Instant, timeout};

    const HOUR: Duration = Duration::from_secs(3600);

    /// With the pulse and the event loop that it wakes, until what is beside is dropped.
    fn running() -> (Arc<Alarms>, JoinSet<()>) {
        let (pulse, mut beats) = Pulse::new(1);
        let alarms = Arc::new(Alarms::new(beats.remove(0)));
        let mut running = JoinSet::new();
        running.spawn(async move { pulse.run().await });
        let ringing = Arc::clone(&alarms);
        running.spawn(async move { ringing.ring().await });
        (alarms, running)
    }

    /// Sets it and waits for it.
    async fn rings(alarm: &mut Alarm, delay: Duration) {
        let mut is_set = false;
        let ringing = poll_fn(|cx| {
            if !std::mem::replace(&mut is_set, true) {
                alarm.set(delay, cx.waker());
            }
            match alarm.rings() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        timeout(Duration::from_secs(20), ringing).await.unwrap();
    }

    #[tokio::test]
    async fn an_alarm_rings_once_when_its_time_is_up() {
        let (alarms, _running) = running();
        let mut alarm = alarms.alarm();
        for delay in [1, 30, 5] {
            let (delay, began) = (Duration::from_millis(delay), Instant::now());
            rings(&mut alarm, delay).await;
            assert!(began.elapsed() >= delay);
            assert!(!alarm.rings() && !alarm.is_set());
        }
    }

    #[tokio::test]
    async fn one_that_is_set_for_sooner_does_not_wait_for_one_that_is_set_for_later() {
        let (alarms, _running) = running();
        let mut late = alarms.alarm();
        late.set(HOUR, Waker::noop());
        for _ in 0..3 {
            // Whether the pulse waits for the late one already or not yet.
            tokio::task::yield_now().await;
            rings(&mut alarms.alarm(), Duration::from_millis(1)).await;
        }
        assert!(late.is_set() && !late.rings());
    }

    #[tokio::test]
    async fn of_one_that_is_dropped_or_set_anew_nothing_is_kept() {
        let (alarms, _running) = running();
        let waiting = || alarms.lock().waiting.len();
        let mut alarm = alarms.alarm();
        alarm.set(HOUR, Waker::noop());
        alarm.set(HOUR, Waker::noop());
        assert_eq!(waiting(), 1);
        drop(alarm);
        assert_eq!(waiting(), 0);
    }
}
