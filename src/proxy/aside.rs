//! Chunks that were relayed and are looked at a little later, many at a time.
//!
//! Between two chunks the kernel moves bytes, and what looks at the next finds the processor's caches taken: it costs
//! two to three times of what one costs that is looked at right behind another. So a small chunk of a session that is
//! under way is put aside. When there are [`CHUNKS`] of all connections of a thread, or [`DELAY`] has passed, they are a
//! batch, which is looked at connection by connection while the next batch is filled: a slice for each [`SLICE`] chunks
//! that come. To look at all of it at a stretch costs no more, but a thread that runs for long is one that the scheduler
//! lets wait, and the connections with it. A connection's chunks are looked at in their order, each with the moment at
//! which it was read; whoever asks a connection for something has them looked at first.

use crate::profiler::Turn;
use crate::proxy::pulse::Beat;
use crate::proxy::watch::{Guarded, Watch};
use crate::session::At;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::yield_now;
use waiting::{Chunk, Chunks, Look, Place, Side, Waiting};

mod room;
mod waiting;

/// Chunks, and their bytes, of all connections of a thread that make a batch.
const CHUNKS: usize = 512;
const BYTES: usize = 256 * 1024;
/// Where it is another thread's turn for long: chunks, and bytes, that are put aside before its end is waited for.
const MOST: usize = 2048;
const MOST_BYTES: usize = 512 * 1024;
/// Chunks that are looked at at a stretch, in which the thread's connections wait.
const SLICE: usize = 256;
/// A longer chunk is looked at at once, bytes: it has work enough to fill the caches itself.
const LONGEST: usize = 4 * 1024;
/// How long a chunk waits for company, or for another thread's turn to be over.
const DELAY: Duration = Duration::from_millis(20);
const DELAY_NANOS: u64 = 1_000_000 * DELAY.as_millis() as u64;
/// How long a batch may take to be looked at, where no chunks come that ask for the next slice. Both are rounded up to
/// the periods of the pulse; together they are 55 ms at most. A scrape is that much behind.
const REST: Duration = Duration::from_millis(25);

/// What one thread has put aside.
pub(super) struct Aside {
    waiting: Mutex<Waiting>,
    /// A slice is due.
    due: Notify,
    /// So are all of them.
    beat: Beat,
    /// What looks share is under a lock, and in one processor's caches: threads look one after the other.
    turn: Arc<Turn>,
}

impl Aside {
    /// Nothing is put aside yet. All threads have the same turn.
    pub(super) fn new(beat: Beat, turn: Arc<Turn>) -> Self {
        Self {
            waiting: Mutex::default(),
            due: Notify::new(),
            beat,
            turn,
        }
    }

    /// Looks at what is put aside when it is due. Never ends.
    pub(super) async fn look(&self) {
        loop {
            tokio::select! {
                () = self.due.notified() => {
                    self.look_at_slice();
                }
                () = self.beat.woken() => self.look_at_rest().await,
            }
        }
    }

    /// The batch that is under way, and then the one behind it.
    async fn look_at_rest(&self) {
        for _ in 0..2 {
            while self.look_at_slice() {
                yield_now().await;
            }
        }
    }

    /// True where the batch has more.
    fn look_at_slice(&self) -> bool {
        let waiting = &mut *lock(&self.waiting);
        waiting.called = false;
        let Some(_turn) = self.turn.take_if_free() else {
            // The next chunk calls again, if one comes before.
            self.beat.want_instead(self.beat.after(DELAY));
            return false;
        };
        let begins = !waiting.is_under_way();
        if begins {
            waiting.begin();
        }
        waiting.look(SLICE);
        let is_under_way = waiting.is_under_way();
        if begins && is_under_way {
            self.beat.want_instead(self.beat.after(REST));
        }
        is_under_way
    }

    /// A chunk was put aside.
    fn added(&self, waiting: &mut Waiting) {
        let (chunks, bytes) = waiting.filled();
        if chunks >= MOST || bytes >= MOST_BYTES {
            let _turn = self.turn.take();
            waiting.look_at_all();
        } else if chunks == 1 && !waiting.is_under_way() {
            // As long as chunks come, this is put off again before it is due.
            self.beat.want_instead(self.beat.after(DELAY));
        }
        if !waiting.called && is_due(waiting) {
            waiting.called = true;
            self.due.notify_one();
        }
    }
}

/// A batch is due, or the next slice of the one that is under way.
fn is_due(waiting: &Waiting) -> bool {
    let (chunks, bytes) = waiting.filled();
    chunks >= CHUNKS
        || bytes >= BYTES
        || waiting.filled_in() >= DELAY_NANOS
        || waiting.since_look() >= SLICE
}

/// A connection and who watches it.
struct Connection<W: Watch> {
    /// Its chunks may wait, for all that the last look has told.
    may_wait: AtomicBool,
    watch: Mutex<Guarded<W>>,
}

impl<W: Watch> Connection<W> {
    fn with<T>(&self, work: impl FnOnce(&mut Guarded<W>) -> T) -> T {
        let mut watch = lock(&self.watch);
        let result = work(&mut watch);
        self.may_wait.store(watch.may_wait(), Ordering::Relaxed);
        result
    }
}

impl<W: Watch> Look for Connection<W> {
    fn look(&self, chunks: &mut Chunks<'_>) {
        self.with(|watch| {
            for chunk in chunks {
                match chunk.side {
                    Side::Frontend => watch.frontend(chunk.bytes, chunk.at),
                    Side::Backend => watch.backend(chunk.bytes, chunk.at, chunk.stalled),
                }
            }
        });
    }
}

/// The relay's end of a watched connection. Its calls are the watch's.
pub(super) struct Watched<W: Watch> {
    connection: Arc<Connection<W>>,
    aside: Arc<Aside>,
    place: Option<Place>,
    /// In the batch before, which may be under way.
    place_before: Option<Place>,
    /// As the connection has it, which is asked once a batch.
    may_wait: bool,
}

impl<W: Watch> Watched<W> {
    pub(super) fn new(watch: Guarded<W>, aside: Arc<Aside>) -> Self {
        let may_wait = watch.may_wait();
        let connection = Connection {
            may_wait: AtomicBool::new(may_wait),
            watch: Mutex::new(watch),
        };
        Self {
            connection: Arc::new(connection),
            aside,
            place: None,
            place_before: None,
            may_wait,
        }
    }

    pub(super) fn frontend(&mut self, bytes: &[u8], at: At) {
        let chunk = Chunk {
            side: Side::Frontend,
            bytes,
            at,
            stalled: 0,
        };
        if !self.put(&chunk) {
            self.ask(|watch| watch.frontend(bytes, at));
        }
    }

    pub(super) fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        let chunk = Chunk {
            side: Side::Backend,
            bytes,
            at,
            stalled,
        };
        if !self.put(&chunk) {
            self.ask(|watch| watch.backend(bytes, at, stalled));
        }
    }

    pub(super) fn idle(&mut self, at: At) -> Option<Duration> {
        self.ask(|watch| watch.idle(at))
    }

    pub(super) fn is_terminated(&mut self) -> bool {
        self.ask(Guarded::is_terminated)
    }

    pub(super) fn is_owed(&mut self) -> bool {
        self.ask(Guarded::is_owed)
    }

    /// False where a chunk is too long to be put aside, or must not wait.
    fn put(&mut self, chunk: &Chunk<'_>) -> bool {
        if chunk.bytes.len() > LONGEST || !self.may_wait {
            return false;
        }
        let waiting = &mut *lock(&self.aside.waiting);
        let place = match self.place {
            Some(place) if waiting.is_filling(place) => place,
            before => {
                self.may_wait = self.connection.may_wait.load(Ordering::Relaxed);
                if !self.may_wait {
                    return false;
                }
                self.place_before = before;
                waiting.list(Arc::clone(&self.connection) as Arc<dyn Look>)
            }
        };
        waiting.put(place, chunk);
        self.place = Some(place);
        self.aside.added(waiting);
        true
    }

    /// What was put aside before is looked at first.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Guarded<W>) -> T) -> T {
        let places = [self.place_before.take(), self.place.take()];
        for place in places.into_iter().flatten() {
            lock(&self.aside.waiting).look_at(place);
        }
        let answer = self.connection.with(question);
        self.may_wait = self.connection.may_wait.load(Ordering::Relaxed);
        answer
    }
}

impl<W: Watch> Drop for Watched<W> {
    fn drop(&mut self) {
        // Those that wait may still hold it for a while.
        self.ask(Guarded::close);
    }
}

/// A panic of a watch is caught long before it could poison a lock.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
