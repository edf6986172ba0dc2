//! Both directions of one connection in one future. The module's documentation tells the order of events.

use crate::proxy::alarm::Alarm;
use crate::proxy::aside::Watched;
use crate::proxy::clock::Clock;
use crate::proxy::pipe::{End, Pipe};
use crate::proxy::stream::Stream;
use crate::proxy::watch::Watch;
use crate::session::At;
use crate::stats::ConnectionOutcome;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may be silent after the server's end before its socket is closed. The client has got the end of
/// stream by then; what the wait buys is that its last words do not meet a closed socket, whose reset could overtake
/// the server's last words.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// The shortest and the longest time between two calls of [`Watch::idle`].
const SHORTEST_IDLE: Duration = Duration::from_millis(1);
const LONGEST_IDLE: Duration = Duration::from_secs(3600);

/// What ended first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    ClientEof,
    ClientFailed,
    Server,
}

/// The two sockets and pipes of a connection, who watches, and what wakes it for [`Watch::idle`].
pub(super) struct Relay<W: Watch> {
    pub(super) client: Stream,
    pub(super) server: Stream,
    pub(super) frontend: Pipe,
    pub(super) backend: Pipe,
    pub(super) watch: Watched<W>,
    pub(super) clock: Clock,
    pub(super) idle: Alarm,
    pub(super) linger: Duration,
}

/// A relay on its way.
struct Running<W: Watch> {
    relay: Relay<W>,
    frontend_end: Option<End>,
    backend_end: Option<End>,
    cause: Option<Cause>,
    /// The client ended while the server had yet to answer it.
    owed: bool,
    /// A client's byte moved since the linger timer was set.
    moved: bool,
    /// When the last reply was read, if [`Watch::idle`] has not been asked since and no timer is set.
    replied: Option<At>,
    lingering: Timer,
}

impl<W: Watch> Relay<W> {
    /// Moves bytes until both directions ended. To stop earlier, drop the future.
    pub(super) fn run(self) -> impl Future<Output = ConnectionOutcome> + Send {
        let mut running = Running {
            relay: self,
            frontend_end: None,
            backend_end: None,
            cause: None,
            owed: false,
            moved: false,
            replied: None,
            lingering: Timer::default(),
        };
        // No `async`, which would keep room for it twice: what a query passes through had better be small.
        poll_fn(move |cx| running.poll(cx).map(|()| running.outcome()))
    }
}

impl<W: Watch> Running<W> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_frontend(cx);
        self.poll_backend(cx);
        self.poll_idle(cx);
        self.poll_end(cx)
    }

    fn poll_frontend(&mut self, cx: &mut Context<'_>) {
        if self.frontend_end.is_some() {
            return;
        }
        let Relay {
            client,
            server,
            frontend,
            watch,
            clock,
            ..
        } = &mut self.relay;
        let moved = &mut self.moved;
        let polled = frontend.poll(cx, client, server, clock, |bytes, at, _| {
            watch.frontend(bytes, at);
            *moved = true;
        });
        if let Poll::Ready(end) = polled {
            self.frontend_end = Some(end);
            self.owed = self.relay.watch.is_owed();
            self.cause.get_or_insert(match end {
                End::Eof => Cause::ClientEof,
                End::ReadFailed => Cause::ClientFailed,
                End::WriteFailed => Cause::Server,
            });
        }
    }

    fn poll_backend(&mut self, cx: &mut Context<'_>) {
        if self.backend_end.is_some() {
            return;
        }
        let Relay {
            client,
            server,
            backend,
            watch,
            clock,
            ..
        } = &mut self.relay;
        let replied = &mut self.replied;
        let polled = backend.poll(cx, server, client, clock, |bytes, at, stalled| {
            watch.backend(bytes, at, stalled);
            *replied = Some(at);
        });
        if let Poll::Ready(end) = polled {
            self.backend_end = Some(end);
            if end == End::WriteFailed && self.cause == Some(Cause::ClientEof) {
                // It did not only stop to send: it was gone.
                self.cause = Some(Cause::ClientFailed);
            }
            self.cause.get_or_insert(match end {
                End::Eof | End::ReadFailed => Cause::Server,
                End::WriteFailed => Cause::ClientFailed,
            });
        }
    }

    /// The alarm is set again only when it rings; a query neither sets nor moves it.
    fn poll_idle(&mut self, cx: &mut Context<'_>) {
        let Relay {
            idle, watch, clock, ..
        } = &mut self.relay;
        let rang = idle.rings();
        if !rang && idle.is_set() {
            return;
        }
        let replied = self.replied.take();
        // Nothing to wait for at the last call: that can only have changed with a reply.
        let Some(at) = (if rang { Some(clock.now()) } else { replied }) else {
            return;
        };
        if let Some(delay) = watch.idle(at) {
            idle.set(delay.clamp(SHORTEST_IDLE, LONGEST_IDLE), cx.waker());
        }
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(backend_end) = self.backend_end else {
            return Poll::Pending;
        };
        if backend_end == End::WriteFailed {
            // The client is gone. What it had sent is passed on as far as the server takes it now. To wait for the
            // server would be a deadlock: it may itself be waiting for its replies to be read.
            self.poll_frontend(cx);
            return match self.frontend_end {
                None if self.relay.frontend.yielded() => Poll::Pending,
                _ => Poll::Ready(()),
            };
        }
        if matches!(self.frontend_end, Some(End::Eof | End::ReadFailed)) {
            return Poll::Ready(());
        }
        // The server has ended and the client has not. Its bytes go on to a server that only stopped to send, or
        // nowhere; it has a short while to end in its turn.
        let nowhere = self.frontend_end.is_some() || backend_end == End::ReadFailed;
        if nowhere {
            let Relay {
                client, frontend, ..
            } = &mut self.relay;
            if frontend.poll_discard(cx, client).is_ready() {
                return Poll::Ready(());
            }
        }
        if !self.lingering.is_set() {
            self.moved = false;
            self.lingering.set(self.relay.linger);
        }
        while self.lingering.poll(cx).is_ready() {
            if nowhere || !std::mem::take(&mut self.moved) {
                return Poll::Ready(());
            }
            self.lingering.set(self.relay.linger);
        }
        Poll::Pending
    }

    fn outcome(&mut self) -> ConnectionOutcome {
        if self.relay.watch.is_terminated() {
            return ConnectionOutcome::Closed;
        }
        match self.cause {
            Some(Cause::ClientEof) if !self.owed => ConnectionOutcome::Closed,
            Some(Cause::Server) => ConnectionOutcome::UpstreamLost,
            _ => ConnectionOutcome::ClientLost,
        }
    }
}

/// A timer that may be off. Costs nothing until it is set for the first time.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl Timer {
    fn is_set(&self) -> bool {
        self.set
    }

    fn set(&mut self, delay: Duration) {
        self.set = true;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(Instant::now() + delay),
            None => self.sleep = Some(Box::pin(sleep(delay))),
        }
    }

    /// Ready once when the time is up, and off from then on.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = self.sleep.as_mut().filter(|_| self.set) else {
            return Poll::Pending;
        };
        ready!(sleep.as_mut().poll(cx));
        self.set = false;
        Poll::Ready(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
