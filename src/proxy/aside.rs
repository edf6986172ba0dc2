//! Chunks that were relayed and are looked at a little later, many at a time.
//!
//! Between two chunks the kernel moves bytes, and what looks at the next finds the processor's caches taken: it costs
//! two to three times of what one costs that is looked at right behind another. So a small chunk of a session that is
//! under way is put aside, and all that are, of all connections of a thread, are looked at when there are [`CHUNKS`] of them or
//! [`DELAY`] has passed. A connection's chunks are looked at in their order, each with the moment at which it was read;
//! whoever asks a connection for something has them looked at first.
//!
//! They are kept one behind the other, whatever connection they are of: to put one aside touches the memory that the one
//! before has touched, and nothing of its session's.

use crate::profiler::Turn;
use crate::proxy::pulse::Beat;
use crate::proxy::watch::{Guarded, Watch};
use crate::session::At;
use std::mem::replace;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Chunks, and their bytes, that are put aside at one time, of all connections of a thread.
const CHUNKS: usize = 512;
const BYTES: usize = 256 * 1024;
/// Where it is another thread's turn: chunks, and bytes, that are put aside before its end is waited for.
const MOST: usize = 2048;
const MOST_BYTES: usize = 512 * 1024;
/// A longer chunk is looked at at once, bytes: it has work enough to fill the caches itself.
const LONGEST: usize = 4 * 1024;
/// How long a chunk waits for company, or for another thread's turn to be over. Where nothing comes that could end its wait,
/// this is rounded up to the periods of the pulse: 25 ms at most. A scrape is that much behind.
const DELAY: Duration = Duration::from_millis(20);
const DELAY_NANOS: u64 = 1_000_000 * DELAY.as_millis() as u64;

/// What one thread has put aside.
pub(super) struct Aside {
    waiting: Mutex<Waiting>,
    beat: Beat,
    /// What looks share is under a lock, and in one processor's caches: threads look one after the other.
    turn: Arc<Turn>,
}

#[derive(Default)]
struct Waiting {
    /// Number of the next look at all that waits: a place in another one's lists is none in this one's.
    look: u64,
    connections: Vec<Listed>,
    chunks: Vec<Chunk>,
    /// Of all chunks, one behind the other.
    bytes: Vec<u8>,
}

/// A connection that has had chunks put aside since the last look.
struct Listed {
    connection: Arc<dyn Look>,
    /// The first that it has not been shown yet, or [`NONE`].
    first: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Frontend,
    Backend,
}

/// Half a line of the caches. The limits above keep its numbers far below their ends.
struct Chunk {
    at: At,
    stalled: u64,
    /// Where its bytes begin among those that wait.
    start: u32,
    /// The next of the same connection, or [`NONE`].
    next: u32,
    length: u16,
    side: Side,
}

/// No chunk.
const NONE: u32 = u32::MAX;

trait Look: Send + Sync {
    /// Looks at this chunk and those of the same connection behind it.
    fn look(&self, first: u32, chunks: &[Chunk], bytes: &[u8]);
}

impl Aside {
    /// Nothing is put aside yet. All threads have the same turn.
    pub(super) fn new(beat: Beat, turn: Arc<Turn>) -> Self {
        Self {
            waiting: Mutex::default(),
            beat,
            turn,
        }
    }

    /// Looks after what waits for company that does not come. Never ends.
    pub(super) async fn look_at_rest(&self) {
        loop {
            self.beat.woken().await;
            if !self.look_if_free(&mut lock(&self.waiting)) {
                self.beat.want_instead(self.beat.after(DELAY));
            }
        }
    }

    /// A chunk was put aside that was read at this moment.
    fn added(&self, waiting: &mut Waiting, at: At) {
        let (chunks, bytes) = (waiting.chunks.len(), waiting.bytes.len());
        let Some(first) = waiting.chunks.first() else {
            return;
        };
        if chunks >= MOST || bytes >= MOST_BYTES {
            let _turn = self.turn.take();
            waiting.look();
        } else if chunks >= CHUNKS || bytes >= BYTES || at.since(first.at) >= DELAY_NANOS {
            self.look_if_free(waiting);
        } else if chunks == 1 {
            // As long as chunks come, this is put off again before it is due.
            self.beat.want_instead(self.beat.after(DELAY));
        }
    }

    /// False where it is another thread's turn; then nothing is looked at.
    fn look_if_free(&self, waiting: &mut Waiting) -> bool {
        let turn = self.turn.take_if_free();
        turn.map(|_turn| waiting.look()).is_some()
    }
}

impl Waiting {
    /// Looks at all that waits. Its room is used again.
    fn look(&mut self) {
        for listed in self.connections.drain(..) {
            listed
                .connection
                .look(listed.first, &self.chunks, &self.bytes);
        }
        self.chunks.clear();
        self.bytes.clear();
        self.look += 1;
    }
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
    fn look(&self, first: u32, chunks: &[Chunk], bytes: &[u8]) {
        self.with(|watch| {
            let mut next = first;
            while let Some(chunk) = chunks.get(next as usize) {
                let bytes = bytes.get(chunk.start as usize..).unwrap_or_default();
                let bytes = bytes.get(..usize::from(chunk.length)).unwrap_or_default();
                match chunk.side {
                    Side::Frontend => watch.frontend(bytes, chunk.at),
                    Side::Backend => watch.backend(bytes, chunk.at, chunk.stalled),
                }
                next = chunk.next;
            }
        });
    }
}

/// The relay's end of a watched connection. Its calls are the watch's.
pub(super) struct Watched<W: Watch> {
    connection: Arc<Connection<W>>,
    aside: Arc<Aside>,
    place: Option<Place>,
    /// As the connection has it, which is asked once a look.
    may_wait: bool,
}

/// Where a connection is among those that wait.
#[derive(Clone, Copy)]
struct Place {
    /// For this look; behind it the place is another's.
    look: u64,
    listed: usize,
    /// Its last chunk.
    last: usize,
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
            may_wait,
        }
    }

    pub(super) fn frontend(&mut self, bytes: &[u8], at: At) {
        if !self.put(Side::Frontend, bytes, at, 0) {
            self.ask(|watch| watch.frontend(bytes, at));
        }
    }

    pub(super) fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        if !self.put(Side::Backend, bytes, at, stalled) {
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
    fn put(&mut self, side: Side, bytes: &[u8], at: At, stalled: u64) -> bool {
        if bytes.len() > LONGEST || !self.may_wait {
            return false;
        }
        let waiting = &mut *lock(&self.aside.waiting);
        let number = waiting.chunks.len();
        let next = u32::try_from(number).unwrap_or(NONE);
        let listed = match self.place {
            Some(place) if place.look == waiting.look => {
                if let Some(last) = waiting.chunks.get_mut(place.last) {
                    last.next = next;
                }
                place.listed
            }
            _ => {
                self.may_wait = self.connection.may_wait.load(Ordering::Relaxed);
                if !self.may_wait {
                    return false;
                }
                waiting.connections.push(Listed {
                    connection: Arc::clone(&self.connection) as Arc<dyn Look>,
                    first: next,
                });
                waiting.connections.len() - 1
            }
        };
        self.place = Some(Place {
            look: waiting.look,
            listed,
            last: number,
        });
        waiting.chunks.push(Chunk {
            at,
            stalled,
            start: u32::try_from(waiting.bytes.len()).unwrap_or(NONE),
            next: NONE,
            length: u16::try_from(bytes.len()).unwrap_or(0),
            side,
        });
        waiting.bytes.extend_from_slice(bytes);
        self.aside.added(waiting, at);
        true
    }

    /// What was put aside before is looked at first.
    fn ask<T>(&mut self, question: impl FnOnce(&mut Guarded<W>) -> T) -> T {
        if let Some(place) = self.place.take() {
            let waiting = &mut *lock(&self.aside.waiting);
            if place.look == waiting.look
                && let Some(listed) = waiting.connections.get_mut(place.listed)
            {
                let first = replace(&mut listed.first, NONE);
                self.connection.look(first, &waiting.chunks, &waiting.bytes);
            }
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
