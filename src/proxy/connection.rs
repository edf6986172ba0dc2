//! One connection from accept to its outcome.

use crate::profiler::Tap;
use crate::proxy::aside::Watched;
use crate::proxy::listener::Accepted;
use crate::proxy::pipe::Pipe;
use crate::proxy::refuse::Refusal;
use crate::proxy::relay::{LINGER, Relay};
use crate::proxy::shared::{Admission, Placed, Shared};
use crate::proxy::startup::{Opening, Startup};
use crate::proxy::stream::Stream;
use crate::proxy::upstream::Upstream;
use crate::proxy::watch::Guarded;
use crate::proxy::workers::Seat;
use crate::session::cancel_key;
use crate::stats::{ConnectionOutcome, Traffic};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::timeout;

/// Counts a connection, also where its task is cut off: then nothing has replaced the outcome it began with.
pub(super) struct Counted<'a> {
    traffic: &'a Traffic,
    outcome: ConnectionOutcome,
}

impl<'a> Counted<'a> {
    pub(super) fn open(traffic: &'a Traffic) -> Self {
        traffic.opened();
        Self {
            traffic,
            outcome: ConnectionOutcome::Drained,
        }
    }

    pub(super) fn end(mut self, outcome: ConnectionOutcome) {
        self.outcome = outcome;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.traffic.closed(self.outcome);
    }
}

/// Serves a client to its end. May be dropped at any await: that is how a shutdown ends it.
pub(super) async fn run(
    client: Accepted,
    peer: String,
    admission: Admission,
    seat: Seat,
    shared: Arc<Shared>,
) {
    let counted = Counted::open(shared.profiler.traffic());
    let outcome = match client.watched_here() {
        Ok(client) => match begun(client, &peer, &admission, &seat, &shared).await {
            Ok(Conversation {
                relay,
                opening,
                placed,
            }) => {
                let outcome = relay.run().await;
                drop(placed);
                match opening {
                    Opening::Cancel => ConnectionOutcome::Cancelled,
                    _ => outcome,
                }
            }
            Err(outcome) => outcome,
        },
        Err(error) => {
            tracing::warn!(client = %peer, %error, "a client's socket cannot be watched");
            ConnectionOutcome::ClientLost
        }
    };
    tracing::debug!(client = %peer, outcome = outcome.as_str(), "connection ended");
    counted.end(outcome);
}

/// In a box of its own: what a query passes through is not among what only the beginning needs, neither in memory nor on
/// the stack.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A client and a server that are to be relayed.
struct Conversation<'a> {
    relay: Relay<Tap>,
    opening: Opening,
    placed: Placed<'a>,
}

/// [`begin`], whose frame must not become one of its caller's.
#[inline(never)]
fn begun<'a>(
    client: Stream,
    peer: &'a str,
    admission: &'a Admission,
    seat: &'a Seat,
    shared: &'a Arc<Shared>,
) -> Boxed<'a, Result<Conversation<'a>, ConnectionOutcome>> {
    Box::pin(begin(client, peer, admission, seat, shared))
}

/// All that comes before the relay. An error is how the connection ended without one.
async fn begin<'a>(
    client: Stream,
    peer: &str,
    admission: &Admission,
    seat: &Seat,
    shared: &'a Arc<Shared>,
) -> Result<Conversation<'a>, ConnectionOutcome> {
    let clock = shared.clock;
    if let Err(error) = client.configure(&shared.settings) {
        tracing::debug!(client = %peer, %error, "client's socket options could not be set");
    }
    let mut tap = shared.profiler.open(peer, clock.now());
    if !shared.settings.profiling {
        tap.stop_after_startup();
    }
    let session = tap.id();
    let mut watch = Guarded::new(tap, Arc::clone(shared.profiler.traffic()), clock);
    let mut frontend = Pipe::frontend();
    let mut backend = Pipe::backend();
    let mut upstream = Upstream::new(Arc::clone(shared));

    let startup = Startup {
        frontend: &mut frontend,
        backend: &mut backend,
        upstream: &mut upstream,
        watch: &mut watch,
        clock: &clock,
        tls: &shared.tls,
        refused: admission.refused,
    };
    let limit = shared.settings.startup_timeout.0;
    let (mut client, opening) = match timeout(limit, startup.run(client)).await {
        Ok(Ok((_, Opening::Gone))) => return Err(ConnectionOutcome::Closed),
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => {
            tracing::debug!(client = %peer, %error, "client lost before its first packet was whole");
            return Err(ConnectionOutcome::ClientLost);
        }
        Err(_) => return Err(ConnectionOutcome::ClientLost),
    };
    if opening == Opening::Smuggled {
        Refusal::data_after_ssl_request().send(&mut client).await;
        return Err(ConnectionOutcome::Refused);
    }
    // Cancel requests excepted: libpq before 17 never encrypts them. A unix socket has no TLS, as in `pg_hba.conf`.
    let is_plain = matches!(client, Stream::Tcp(_));
    if is_plain && shared.tls.is_required() {
        match opening {
            Opening::Startup => {
                Refusal::unencrypted().send(&mut client).await;
                return Err(ConnectionOutcome::Refused);
            }
            Opening::Opaque => return Err(ConnectionOutcome::Refused),
            _ => {}
        }
    }

    // One client too many may still cancel: that is how it gets rid of the others.
    if admission.refused && opening != Opening::Cancel {
        if opening == Opening::Startup {
            let limit = shared.settings.max_connections;
            Refusal::too_many(limit).send(&mut client).await;
        }
        return Err(ConnectionOutcome::Refused);
    }
    // It means nothing to any server but the one that gave out its key.
    if opening == Opening::Cancel
        && let Some(key) = cancel_key(frontend.held().0)
        && let Some(server) = shared.server_of(key)
    {
        upstream.redirect(server, Arc::clone(shared)).await;
    }
    if let Err(error) = upstream.connected().await {
        if opening == Opening::Startup {
            Refusal::unreachable(&shared.upstream, error)
                .send(&mut client)
                .await;
        }
        return Err(ConnectionOutcome::UpstreamUnreachable);
    }
    let Upstream::Connected(server, place) = upstream else {
        return Err(ConnectionOutcome::UpstreamUnreachable);
    };
    let placed = shared.place(session, place);
    if opening == Opening::Startup && server.is_encrypted() && !client.is_encrypted() {
        backend.await_offer(Arc::clone(&shared.profiler));
    }

    let relay = Relay {
        client,
        server,
        frontend,
        backend,
        watch: Watched::new(watch, seat.aside()),
        clock,
        idle: seat.alarm(),
        linger: LINGER,
    };
    Ok(Conversation {
        relay,
        opening,
        placed,
    })
}
