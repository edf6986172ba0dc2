//! One connection, watched.

use super::watch::Watch;
use super::{Profiler, Shared};
use crate::session::{At, BlindReason, Event, Session, Sink, TransactionStatus};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// A query with this in a comment makes the profiler panic, in debug builds only: tests watch from outside what comes
/// of a real one.
#[cfg(debug_assertions)]
const PLANTED_PANIC: &[u8] = b"pgscope:planted_panic";

/// The message Terminate, which has no body.
const TERMINATE: [u8; 5] = *b"X\0\0\0\x04";

/// Watches one connection. Never fails; where decoding does, the session goes blind.
pub struct Tap {
    profiler: Arc<Profiler>,
    session: Session,
    watch: Watch,
    startup_only: bool,
    /// Behind the startup, which is all that is decoded: the last bytes read from the client are a Terminate.
    ends_with_terminate: bool,
}

impl Tap {
    pub(super) fn new(profiler: Arc<Profiler>, watch: Watch) -> Self {
        Self {
            profiler,
            session: Session::new(),
            watch,
            startup_only: false,
            ends_with_terminate: false,
        }
    }

    /// Looks at nothing behind the startup, whose end tells the session's user, database and cancel key.
    pub fn stop_after_startup(&mut self) {
        self.startup_only = true;
    }

    /// Bytes read from the client, in order. Call before any reply to them can be shown to [`Tap::backend`].
    pub fn frontend(&mut self, bytes: &[u8], at: At) {
        self.profiler.traffic().frontend_bytes(bytes.len());
        self.look(|session, sink| session.frontend(bytes, at, sink));
        self.ends_with_terminate = self.startup_only && bytes.ends_with(&TERMINATE);
    }

    /// Bytes read from the server, in order; call after they were written to the client.
    /// `stalled`: how long the client kept them from being written, in nanoseconds.
    pub fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        self.profiler.traffic().backend_bytes(bytes.len());
        self.look(|session, sink| session.backend(bytes, at, stalled, sink));
        if self.startup_only && self.watch.is_let_in() {
            self.look(|session, sink| session.go_blind(BlindReason::Off, sink));
        }
    }

    /// What is read now may be shown a little later: nobody outside waits for what it says. During the startup the
    /// cancel key and the names of the session are waited for.
    pub fn may_wait(&self) -> bool {
        self.watch.is_let_in() && !self.session.is_blind()
    }

    /// Runs a step of the session; the lock is taken at the first event, if there is one.
    fn look(&mut self, step: impl FnOnce(&mut Session, &mut Sink<'_>)) {
        let Self {
            profiler,
            session,
            watch,
            ..
        } = self;
        let mut guard: Option<MutexGuard<'_, Shared>> = None;
        step(session, &mut |event: Event<'_>| {
            let shared = guard.get_or_insert_with(|| profiler.lock());
            #[cfg(debug_assertions)]
            if let Event::Query(query) = &event
                && memchr::memmem::find(query.comment, PLANTED_PANIC).is_some()
            {
                panic!("planted in {:?}", query.comment.escape_ascii());
            }
            watch.observe(event, shared, profiler);
        });
    }

    /// Time passed with nothing read. Closes a request that has been idle long enough. Returns when to call again;
    /// `None`: not before the next reply.
    pub fn idle(&mut self, at: At) -> Option<Duration> {
        let period = self.profiler.settings.idle_close.0;
        if self.session.is_blind() {
            return None;
        }
        if !self.session.is_quiet() || self.session.status() != TransactionStatus::Idle {
            return Some(period);
        }
        let mut shared = self.profiler.lock();
        let wait = self.watch.idle(at, &mut shared, &self.profiler.settings);
        wait.map(Duration::from_nanos)
    }

    /// The connection ended; what was owed is lost.
    pub fn close(&mut self, at: At) {
        self.look(|session, sink| session.close(at, sink));
        self.watch.close(at, &mut self.profiler.lock());
    }

    /// The decoder panicked: it is not asked again.
    pub fn panicked(&mut self) {
        self.look(|session, sink| session.go_blind(BlindReason::Panic, sink));
    }

    /// Number of the session among all of the process.
    pub fn id(&self) -> u64 {
        self.watch.id()
    }

    /// The first packet was a CancelRequest.
    pub fn is_cancel(&self) -> bool {
        self.session.is_cancel()
    }

    /// The server has yet to answer a message of the client's.
    pub fn is_owed(&self) -> bool {
        self.session.is_owed()
    }

    /// The conversation is over in good order: the client has said Terminate, or the server has refused its startup.
    pub fn is_terminated(&self) -> bool {
        self.session.is_terminated() || self.ends_with_terminate
    }
}
