//! Chunks that were relayed and are looked at a little later, many at a time.
//!
//! Between two chunks the kernel moves bytes, and what looks at the next finds the processor's caches taken: it costs
//! two to three times of what one costs that is looked at right behind another. So a small chunk of a session that is
//! under way is put aside, and all that are, of all connections of a thread, are looked at when there are [`CHUNKS`] of them or
//! [`DELAY`] has passed. A connection's chunks are looked at in their order, each with the moment at which it was read;
//! whoever asks a connection for something has them looked at first.

use crate::profiler::Turn;
use crate::proxy::pulse::Beat;
use crate::proxy::watch::{Guarded, Watch};
use crate::session::At;
use std::mem::{replace, take};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Chunks that are put aside at one time, of all connections of a thread.
const CHUNKS: usize = 128;
/// Where it is another thread's turn: chunks that are put aside before its end is waited for.
const MOST: usize = 1024;
/// A longer chunk is looked at at once, bytes: it has work enough to fill the caches itself.
const LONGEST: usize = 4 * 1024;
/// Bytes of one connection that are put aside.
const MAX_BYTES: usize = 16 * 1024;
/// How long a chunk waits for company, or for another thread's turn to be over, rounded up to the periods of the pulse:
/// 10 ms at most. A scrape is that much behind.
const DELAY: Duration = Duration::from_millis(5);

/// The connections of one thread that have chunks put aside.
pub(super) struct Aside {
    waiting: Mutex<Waiting>,
    beat: Arc<Beat>,
    /// What looks share is under a lock, and in one processor's caches: threads look one after the other.
    turn: Arc<Turn>,
}

#[derive(Default)]
struct Waiting {
    connections: Vec<Arc<dyn Look>>,
    chunks: usize,
}

trait Look: Send + Sync {
    /// Looks at what was put aside.
    fn look(&self);
}

impl Aside {
    /// Nothing is put aside yet. All threads have the same turn.
    pub(super) fn new(beat: Arc<Beat>, turn: Arc<Turn>) -> Self {
        Self {
            waiting: Mutex::default(),
            beat,
            turn,
        }
    }

    /// Looks after what waits for company that does not come: to be called when its thread is woken.
    pub(super) fn look_at_rest(&self) {
        if !self.look_if_free() {
            self.beat.want(self.beat.after(DELAY));
        }
    }

    fn add(&self, connection: Option<Arc<dyn Look>>) {
        let mut waiting = lock(&self.waiting);
        waiting.connections.extend(connection);
        waiting.chunks += 1;
        let chunks = waiting.chunks;
        drop(waiting);
        if chunks >= MOST {
            self.look(&self.turn.take());
        } else if chunks >= CHUNKS {
            self.look_if_free();
        } else if chunks == 1 {
            self.beat.want(self.beat.after(DELAY));
        }
    }

    /// False where it is another thread's turn; then nothing is looked at.
    fn look_if_free(&self) -> bool {
        let turn = self.turn.take_if_free();
        turn.map(|turn| self.look(&turn)).is_some()
    }

    fn look(&self, _turn: &MutexGuard<'_, ()>) {
        let mut waiting = lock(&self.waiting);
        let mut connections = take(&mut waiting.connections);
        waiting.chunks = 0;
        drop(waiting);
        connections
            .drain(..)
            .for_each(|connection| connection.look());
        // Its room is used again.
        let mut waiting = lock(&self.waiting);
        if waiting.connections.is_empty() {
            waiting.connections = connections;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Frontend,
    Backend,
}

struct Chunk {
    side: Side,
    at: At,
    stalled: u64,
    length: usize,
}

/// A watched connection, and its chunks that are put aside.
struct State<W: Watch> {
    watch: Guarded<W>,
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
    /// It is among the connections that wait.
    listed: bool,
}

impl<W: Watch> State<W> {
    fn look(&mut self) {
        let mut rest = self.bytes.as_slice();
        for chunk in self.chunks.drain(..) {
            let Some((bytes, behind)) = rest.split_at_checked(chunk.length) else {
                break;
            };
            rest = behind;
            match chunk.side {
                Side::Frontend => self.watch.frontend(bytes, chunk.at),
                Side::Backend => self.watch.backend(bytes, chunk.at, chunk.stalled),
            }
        }
        self.bytes.clear();
    }

    /// False where there is no room for a chunk, or it must not wait.
    fn put(&mut self, side: Side, bytes: &[u8], at: At, stalled: u64) -> bool {
        let room = bytes.len() <= LONGEST && self.bytes.len() + bytes.len() <= MAX_BYTES;
        if !room || !self.watch.may_wait() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.chunks.push(Chunk {
            side,
            at,
            stalled,
            length: bytes.len(),
        });
        true
    }
}

impl<W: Watch> Look for Mutex<State<W>> {
    fn look(&self) {
        let mut state = lock(self);
        state.listed = false;
        state.look();
    }
}

/// Shows the chunks of one connection to its watch, now or soon. Its end is the watch's.
pub(super) struct Watched<W: Watch> {
    state: Arc<Mutex<State<W>>>,
    aside: Arc<Aside>,
}

impl<W: Watch> Watched<W> {
    pub(super) fn new(watch: Guarded<W>, aside: Arc<Aside>) -> Self {
        let state = State {
            watch,
            bytes: Vec::new(),
            chunks: Vec::new(),
            listed: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            aside,
        }
    }

    pub(super) fn frontend(&self, bytes: &[u8], at: At) {
        self.show(Side::Frontend, bytes, at, 0);
    }

    pub(super) fn backend(&self, bytes: &[u8], at: At, stalled: u64) {
        self.show(Side::Backend, bytes, at, stalled);
    }

    pub(super) fn idle(&self, at: At) -> Option<Duration> {
        self.ask(|watch| watch.idle(at))
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.ask(Guarded::is_terminated)
    }

    pub(super) fn is_owed(&self) -> bool {
        self.ask(Guarded::is_owed)
    }

    fn show(&self, side: Side, bytes: &[u8], at: At, stalled: u64) {
        let mut state = lock(&self.state);
        if !state.put(side, bytes, at, stalled) {
            state.look();
            return match side {
                Side::Frontend => state.watch.frontend(bytes, at),
                Side::Backend => state.watch.backend(bytes, at, stalled),
            };
        }
        let listed = replace(&mut state.listed, true);
        drop(state);
        let connection = (!listed).then(|| Arc::clone(&self.state) as Arc<dyn Look>);
        self.aside.add(connection);
    }

    fn ask<T>(&self, question: impl FnOnce(&mut Guarded<W>) -> T) -> T {
        let mut state = lock(&self.state);
        state.look();
        question(&mut state.watch)
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
