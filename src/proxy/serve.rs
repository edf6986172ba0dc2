//! The accept loop and the shutdown.

use crate::proxy::connection::{self, Counted};
use crate::proxy::listener::Listener;
use crate::proxy::shared::Shared;
use crate::proxy::workers::{Threads, Workers};
use crate::stats::ConnectionOutcome;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// How long to wait after an error that says that something has run out, such as file descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Warnings about failed accepts come at most this often.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// Serves clients until `shutdown` is ready, then lets open connections run for the grace of `[shutdown]`, cuts off
/// the rest and returns. No error of a socket ends it earlier. Connections are dealt out to the runtime that this runs on
/// and to the other `threads`.
pub async fn serve(
    listener: Listener,
    shared: Arc<Shared>,
    threads: Threads,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    let workers = Workers::new(threads, shared.profiler.turn());
    // Dropped, and so aborted, with this future.
    let _running = workers.start(&shared.catch_up);
    accept_until(shutdown, &listener, &shared, &workers, &mut connections).await;
    shared.drain();
    // A client that comes now is refused by the kernel at once and may try elsewhere.
    drop(listener);

    let grace = shared.shutdown.grace.0;
    if !connections.is_empty() {
        let open = connections.len();
        let grace = humantime::format_duration(grace);
        tracing::info!(open, %grace, "shutting down; open connections may go on for the grace");
    }
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(grace, drained).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "grace is over; closing what is still open"
        );
        // Waits for the tasks to be dropped, so that their outcomes are counted when this returns.
        connections.shutdown().await;
    }
}

async fn accept_until(
    shutdown: impl Future<Output = ()>,
    listener: &Listener,
    shared: &Arc<Shared>,
    workers: &Workers,
    connections: &mut JoinSet<()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut warned = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => return,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, peer)) => match shared.admit() {
                Some(admission) => {
                    let shared = Arc::clone(shared);
                    workers.spawn(connections, |seat| {
                        connection::run(client, peer, admission, seat, shared)
                    });
                }
                None => Counted::open(shared.profiler.traffic()).end(ConnectionOutcome::Refused),
            },
            Err(error) if is_client_gone(&error) => {}
            Err(error) => {
                let now = Instant::now();
                if warned.is_none_or(|last| now.duration_since(last) >= WARNING_INTERVAL) {
                    warned = Some(now);
                    tracing::warn!(%error, "accepting a connection failed; trying again");
                }
                tokio::select! {
                    () = &mut shutdown => return,
                    () = sleep(BACK_OFF) => {}
                }
            }
        }
    }
}

/// The client left while it waited to be accepted (`accept(2)`); the next one may be fine.
fn is_client_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// A panic outside the watching is a defect of the relay; it ends one connection, not the process.
fn report(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection's task panicked; its two sockets were closed");
    }
}
