//! What the relay shows its bytes to, and the wall that keeps its mistakes out of the relay.

use crate::profiler::Tap;
use crate::proxy::clock::Clock;
use crate::session::At;
use crate::stats::{Stage, Traffic};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Sees the bytes of one connection. In production that is [`Tap`].
pub(super) trait Watch: Send + 'static {
    /// What is read now may be shown a little later, in order.
    fn may_wait(&self) -> bool;
    /// Bytes read from the client.
    fn frontend(&mut self, bytes: &[u8], at: At);
    /// Bytes read from the server, and for how many nanoseconds the client kept them from being written.
    fn backend(&mut self, bytes: &[u8], at: At, stalled: u64);
    /// Time passed; returns when to call again.
    fn idle(&mut self, at: At) -> Option<Duration>;
    /// It panicked in one of the calls above: but for its end, it is not called again.
    fn panicked(&mut self);
    /// The connection ended.
    fn close(&mut self, at: At);
    /// The client has said Terminate.
    fn is_terminated(&self) -> bool;
    /// The server has yet to answer a message of the client's.
    fn is_owed(&self) -> bool;
}

impl Watch for Tap {
    fn may_wait(&self) -> bool {
        Tap::may_wait(self)
    }

    fn frontend(&mut self, bytes: &[u8], at: At) {
        Tap::frontend(self, bytes, at);
    }

    fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        Tap::backend(self, bytes, at, stalled);
    }

    fn idle(&mut self, at: At) -> Option<Duration> {
        Tap::idle(self, at)
    }

    fn panicked(&mut self) {
        Tap::panicked(self);
    }

    fn close(&mut self, at: At) {
        Tap::close(self, at);
    }

    fn is_terminated(&self) -> bool {
        Tap::is_terminated(self)
    }

    fn is_owed(&self) -> bool {
        Tap::is_owed(self)
    }
}

/// A watch whose panics end the watching and nothing else; its bytes are still counted. Closes it when dropped, so that
/// a connection which is cut off at the end of a shutdown is accounted for too.
///
/// A panic may leave the watch half-changed. All that is done with it afterwards is to tell it of that and of the end,
/// and a panic there is caught as well: hence the assertions of unwind safety.
pub(super) struct Guarded<W: Watch> {
    watch: W,
    traffic: Arc<Traffic>,
    clock: Clock,
    panicked: bool,
    closed: bool,
    /// Chunks shown, to time one of [`TIMED`].
    chunks: u32,
}

/// One chunk of so many is timed, and counts for all of them: to time each would cost more than some of them do.
const TIMED: u32 = 16;

impl<W: Watch> Guarded<W> {
    pub(super) fn new(watch: W, traffic: Arc<Traffic>, clock: Clock) -> Self {
        Self {
            watch,
            traffic,
            clock,
            panicked: false,
            closed: false,
            chunks: 0,
        }
    }

    pub(super) fn frontend(&mut self, bytes: &[u8], at: At) {
        if self.panicked {
            self.traffic.frontend_bytes(bytes.len());
        }
        self.timed(Stage::Frontend, |watch| watch.frontend(bytes, at));
    }

    pub(super) fn backend(&mut self, bytes: &[u8], at: At, stalled: u64) {
        if self.panicked {
            self.traffic.backend_bytes(bytes.len());
        }
        self.timed(Stage::Backend, |watch| watch.backend(bytes, at, stalled));
    }

    /// Of a watch that is no longer asked nothing need wait.
    pub(super) fn may_wait(&self) -> bool {
        !self.panicked && self.watch.may_wait()
    }

    pub(super) fn idle(&mut self, at: At) -> Option<Duration> {
        self.call(None, |watch| watch.idle(at))
    }

    pub(super) fn is_terminated(&mut self) -> bool {
        self.call(false, |watch| watch.is_terminated())
    }

    fn timed(&mut self, stage: Stage, work: impl FnOnce(&mut W)) {
        self.chunks = self.chunks.wrapping_add(1);
        // Requests and replies alternate: the two parities take turns, so that neither is always the one timed.
        let turn = self.chunks / TIMED;
        if self.chunks % TIMED != turn % 2 {
            return self.call((), work);
        }
        let began = self.clock.now();
        self.call((), work);
        let nanos = self.clock.now().since(began);
        self.traffic.profiled(stage, nanos * u64::from(TIMED));
    }

    /// False where nobody can tell any more.
    pub(super) fn is_owed(&mut self) -> bool {
        self.call(false, |watch| watch.is_owed())
    }

    /// `otherwise` where the watch is no longer asked.
    fn call<T>(&mut self, otherwise: T, work: impl FnOnce(&mut W) -> T) -> T {
        if self.panicked {
            return otherwise;
        }
        let watch = &mut self.watch;
        match catch_unwind(AssertUnwindSafe(|| work(watch))) {
            Ok(result) => result,
            Err(_) => {
                self.give_up();
                otherwise
            }
        }
    }

    #[cold]
    fn give_up(&mut self) {
        self.panicked = true;
        // The message of the panic may hold the peers' data and is left out.
        tracing::error!("decoding panicked; this connection is forwarded without profiling");
        let watch = &mut self.watch;
        if catch_unwind(AssertUnwindSafe(|| watch.panicked())).is_err() {
            tracing::error!("the end of decoding panicked too");
        }
    }
}

impl<W: Watch> Guarded<W> {
    /// The connection has ended; again is as well as once.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let (watch, now) = (&mut self.watch, self.clock.now());
        if catch_unwind(AssertUnwindSafe(|| watch.close(now))).is_err() {
            tracing::error!("closing the profile of a connection panicked");
        }
    }
}

impl<W: Watch> Drop for Guarded<W> {
    fn drop(&mut self) {
        self.close();
    }
}
