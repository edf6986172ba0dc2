//! Chunks that were relayed and are looked at a little later, many at a time.
//!
//! Between two chunks the kernel moves bytes, and what looks at the next finds the processor's caches taken: it costs
//! two to three times of what one costs that is looked at right behind another. So a small chunk of a session that is
//! under way is put aside. When there are [`CHUNKS`] of all connections of a thread, or [`DELAY`] has passed, they are a
//! batch, which is looked at connection by connection while the next batch is filled: a slice for each [`SLICE`] chunks
//! that come. To look at all of it at a stretch costs no more, but a thread that runs for long is one that the scheduler
//! lets wait, and the connections with it. A thread that took its time to fill a batch has time to look at it.
//!
//! A connection's chunks are looked at in their order, each with the moment at which it was read. Nobody can tell that they
//! waited: whoever asks a connection for something has them looked at first, and so does whoever reads the totals.

use crate::profiler::Turn;
use crate::proxy::catch_up::Called;
use crate::proxy::pulse::Beat;
use crate::proxy::watch::{Guarded, Watch};
use crate::session::At;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::yield_now;
use waiting::{Chunk, Chunks, Look, Place, Side, Waiting};

mod room;
mod waiting;

/// Chunks, and their bytes, of all connections of a thread that make a batch.
const CHUNKS: usize = 512;
const BYTES: usize = 1024 * 1024;
/// Where it is another thread's turn for long: chunks, and bytes, that are put aside before its end is waited for.
const MOST: usize = 2048;
const MOST_BYTES: usize = 2 * BYTES;
/// Chunks that are looked at at a stretch, in which the thread's connections wait.
const SLICE: usize = 256;
/// A chunk of so many bytes is looked at at once: it has work enough to fill the caches itself. PostgreSQL sends a large
/// result in pieces of this size (`PQ_SEND_BUFFER_SIZE` in its `pqcomm.c`).
const LONG: usize = 8 * 1024;
/// How long a chunk waits for company.
const DELAY: Duration = Duration::from_millis(200);
const DELAY_NANOS: u64 = nanos(DELAY);
/// A thread that fills a batch in less is a busy one.
const BUSY_NANOS: u64 = nanos(Duration::from_millis(50));
/// How long a batch may take to be looked at where no chunks come that ask for the next slice, and how long it waits
/// for another thread's turn to be over. These times are rounded up to the periods of the pulse.
const REST: Duration = Duration::from_millis(25);

const fn nanos(time: Duration) -> u64 {
    1_000_000 * time.as_millis() as u64
}

/// What came of an attempt to look at a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Looked {
    /// It is another thread's turn.
    NotYet,
    /// The batch has more.
    Slice,
    /// That was the rest of the batch, or all of it.
    All,
}

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

    /// Looks at what is put aside when it is due, or when it is called. Never ends.
    pub(super) async fn look(&self, mut calls: UnboundedReceiver<Called>) {
        loop {
            tokio::select! {
                () = self.due.notified() => self.look_at_due().await,
                () = self.beat.woken() => self.look_at_rest().await,
                Some(_called) = calls.recv() => self.look_at_all().await,
            }
        }
    }

    /// A slice, and where the thread has the time the rest of the batch.
    async fn look_at_due(&self) {
        loop {
            let hurried = {
                let waiting = &mut *lock(&self.waiting);
                waiting.called = false;
                if !waiting.is_under_way() && !is_due(waiting) {
                    // It was looked at for another reason.
                    return;
                }
                waiting.is_hurried(BUSY_NANOS)
            };
            if self.look_at_slice() != Looked::Slice || hurried {
                return;
            }
            yield_now().await;
        }
    }

    /// The batch that is under way, and then the one behind it.
    async fn look_at_rest(&self) {
        for _ in 0..2 {
            while self.look_at_slice() == Looked::Slice {
                yield_now().await;
            }
        }
    }

    /// The same, however long it is another thread's turn.
    async fn look_at_all(&self) {
        for _ in 0..2 {
            while self.look_at_slice() != Looked::All {
                yield_now().await;
            }
        }
    }

    fn look_at_slice(&self) -> Looked {
        let waiting = &mut *lock(&self.waiting);
        waiting.called = false;
        let Some(_turn) = self.turn.take_if_free() else {
            // The next chunk calls again, if one comes before.
            self.beat.want_instead(self.beat.after(REST));
            return Looked::NotYet;
        };
        let begins = !waiting.is_under_way();
        if begins {
            waiting.begin();
        }
        waiting.look(SLICE);
        if !waiting.is_under_way() {
            // What was wanted for this batch would cut the next one short.
            match waiting.filled() {
                (0, _) => self.beat.want_nothing(),
                _ => self.beat.want_instead(self.beat.after(DELAY)),
            }
            return Looked::All;
        }
        if begins {
            self.beat.want_instead(self.beat.after(REST));
        }
        Looked::Slice
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
        if chunk.bytes.len() >= LONG || !self.may_wait {
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
