//! The threads that move bytes, and which of them a new connection goes to.

use crate::profiler::Turn;
use crate::proxy::alarm::{Alarm, Alarms};
use crate::proxy::aside::Aside;
use crate::proxy::catch_up::CatchUp;
use crate::proxy::pulse::{Beat, Pulse};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// More threads than this bring nothing: they take turns at what connections share.
const MOST_BY_DEFAULT: usize = 4;

/// Threads for `[proxy] threads`; 0 stands for one a processor that this process may use, and four at most.
pub fn threads(setting: usize) -> usize {
    match setting {
        0 => {
            std::thread::available_parallelism().map_or(1, |found| found.get().min(MOST_BY_DEFAULT))
        }
        threads => threads,
    }
}

/// Event loops of one thread each, to which connections are dealt out beside the one that accepts them.
pub struct Threads {
    /// They outlive the relay.
    pub helpers: Vec<Handle>,
    /// Keeps the time for all, which costs least where it is none of them.
    pub clock: Handle,
}

impl Threads {
    /// No other than the one that this is called on, which must be a runtime's.
    pub fn only_this() -> Self {
        Self {
            helpers: Vec::new(),
            clock: Handle::current(),
        }
    }
}

/// The event loops. A connection stays with the one that it began on, so that nothing of it is ever passed from thread
/// to thread.
pub(super) struct Workers {
    all: Vec<Arc<Worker>>,
    pulse: Arc<Pulse>,
    clock: Handle,
}

struct Worker {
    runtime: Handle,
    aside: Arc<Aside>,
    alarms: Arc<Alarms>,
    /// Connections that it has.
    open: AtomicUsize,
}

impl Worker {
    fn new(runtime: Handle, looks: Beat, alarms: Beat, turn: Arc<Turn>) -> Self {
        Self {
            runtime,
            aside: Arc::new(Aside::new(looks, turn)),
            alarms: Arc::new(Alarms::new(alarms)),
            open: AtomicUsize::new(0),
        }
    }
}

/// A connection's place at a worker. Gives it back when dropped.
pub(super) struct Seat(Arc<Worker>);

impl Seat {
    fn take(worker: &Arc<Worker>) -> Self {
        worker.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(worker))
    }

    /// Where its worker puts chunks.
    pub(super) fn aside(&self) -> Arc<Aside> {
        Arc::clone(&self.0.aside)
    }

    /// A timer of its worker's.
    pub(super) fn alarm(&self) -> Alarm {
        self.0.alarms.alarm()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// The thread that this is called on, which must be one of a runtime, and others. They look when it is their turn.
    pub(super) fn new(threads: Threads, turn: &Arc<Turn>) -> Self {
        let runtimes: Vec<_> = std::iter::once(Handle::current())
            .chain(threads.helpers)
            .collect();
        let (pulse, beats) = Pulse::new(2 * runtimes.len());
        let mut beats = beats.into_iter();
        let workers = runtimes.into_iter().filter_map(|runtime| {
            let (looks, alarms) = (beats.next()?, beats.next()?);
            let worker = Worker::new(runtime, looks, alarms, Arc::clone(turn));
            Some(Arc::new(worker))
        });
        Self {
            all: workers.collect(),
            pulse,
            clock: threads.clock,
        }
    }

    /// Has each of them look after what is put aside and what is due, and answer calls, until what is returned is dropped.
    pub(super) fn start(&self, catch_up: &CatchUp) -> JoinSet<()> {
        let mut running = JoinSet::new();
        let pulse = Arc::clone(&self.pulse);
        running.spawn_on(async move { pulse.run().await }, &self.clock);
        for worker in &self.all {
            let (aside, alarms) = (Arc::clone(&worker.aside), Arc::clone(&worker.alarms));
            let calls = catch_up.join();
            running.spawn_on(async move { aside.look(calls).await }, &worker.runtime);
            running.spawn_on(async move { alarms.ring().await }, &worker.runtime);
        }
        running
    }

    /// A place at the first of them.
    #[cfg(test)]
    pub(super) fn seat(&self) -> Option<Seat> {
        self.all.first().map(Seat::take)
    }

    /// Begins a connection on the worker that has the fewest.
    pub(super) fn spawn<F>(&self, connections: &mut JoinSet<()>, begin: impl FnOnce(Seat) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let workers = self.all.iter();
        let Some(worker) = workers.min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else {
            return;
        };
        connections.spawn_on(begin(Seat::take(worker)), &worker.runtime);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::mpsc;
    use std::thread::ThreadId;
    use tokio::runtime::Builder;
    use tokio::sync::oneshot;

    /// A thread with an event loop, for as long as what is returned beside is kept.
    fn helper() -> (Handle, oneshot::Sender<()>) {
        let runtime = Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle().clone();
        let (running, dropped) = oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(dropped));
        (handle, running)
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_thread_that_has_the_fewest_and_stays_there() {
        let helpers = [helper(), helper()];
        let threads = Threads {
            helpers: helpers.iter().map(|(handle, _)| handle.clone()).collect(),
            clock: Handle::current(),
        };
        let workers = Workers::new(threads, &Arc::default());
        let (tell, told) = mpsc::channel();
        let mut connections = JoinSet::new();
        let mut open = || {
            let tell = tell.clone();
            let (end, ended) = oneshot::channel::<()>();
            workers.spawn(&mut connections, |seat| async move {
                let began = std::thread::current().id();
                let _ = ended.await;
                assert_eq!(std::thread::current().id(), began);
                tell.send(began).unwrap();
                drop(seat);
            });
            end
        };
        let first: Vec<_> = (0..6).map(|_| open()).collect();
        first.into_iter().for_each(drop);
        let mut threads: HashMap<ThreadId, usize> = HashMap::new();
        while threads.values().sum::<usize>() < 6 {
            tokio::task::yield_now().await;
            for thread in told.try_iter() {
                *threads.entry(thread).or_default() += 1;
            }
        }
        assert_eq!(threads.into_values().collect::<Vec<_>>(), [2, 2, 2]);
    }

    #[test]
    fn as_many_threads_as_are_asked_for_or_as_there_are_processors() {
        assert_eq!(threads(1), 1);
        assert_eq!(threads(7), 7);
        assert!((1..=MOST_BY_DEFAULT).contains(&threads(0)));
    }
}
