//! A running proxy: threads, signals, and the order of start and stop.
//!
//! Traffic has threads of its own, and one that keeps their timers; the admin server has one, so that a scrape never delays
//! a query. The main thread only waits for signals.

mod descriptors;
mod failure;
mod panics;
mod relay;
mod sidecar;
mod systemd;
mod wiring;

pub use failure::Failure;
pub use sidecar::Sidecar;

use crate::config::{Address, Problems, Secrets, Settings, UpstreamList, changes};
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use wiring::Shared;

/// How much longer than `shutdown.grace` to wait for the relay, and how long for the last scrape.
const PATIENCE: Duration = Duration::from_secs(3);

/// The signals that end the process.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    async fn recv(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn signals() -> io::Result<(Stop, Signal)> {
    let stop = Stop {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    Ok((stop, signal(SignalKind::hangup())?))
}

/// Runs until SIGTERM or SIGINT. `secrets` are what its files hold; `load` reads the configuration again for SIGHUP.
pub fn serve(
    settings: Settings,
    upstream: UpstreamList,
    secrets: Secrets,
    load: &dyn Fn() -> Result<Settings, Problems>,
) -> Result<(), Failure> {
    let inherited = systemd::socket()?;
    let shared = Arc::new(Shared::new(&settings, upstream.clone(), secrets)?);
    panics::hush(Arc::clone(&shared));
    descriptors::check(settings.proxy.max_connections, shared.threads());
    if !settings.proxy.profiling {
        tracing::warn!("proxy.profiling is false: queries are forwarded and not looked at");
    }
    let (admin_runtime, main_runtime) = (runtime()?, runtime()?);
    // Handlers come before the addresses are printed, so that whoever reads them may send a signal at once.
    let (mut stop_signal, mut hangup) = main_runtime.block_on(async { signals() })?;

    let bound = relay::Bound::new(&settings.listen, inherited)?;
    let listen = bound.address.clone();
    let admin_listener = admin_runtime
        .block_on(TcpListener::bind(settings.admin.listen))
        .map_err(|error| Failure::bind("admin.listen", "--admin", &settings.admin.listen, error))?;
    announce(&upstream, &listen, admin_listener.local_addr()?);

    let (stop, stop_seen) = watch::channel(false);
    let admin = wiring::admin(admin_listener, Arc::clone(&shared), stop_seen);
    let mut relay = bound.start(&shared)?;
    let admin_end = spawn("admin", admin_runtime, admin)?;
    systemd::ready(&listen, &upstream);

    main_runtime.block_on(async {
        let mut current = settings;
        tokio::pin!(admin_end);
        let mut admin_runs = true;
        loop {
            tokio::select! {
                name = stop_signal.recv() => {
                    tracing::info!(signal = name, grace = %current.shutdown.grace, "draining");
                    break;
                }
                _ = hangup.recv() => {
                    systemd::reloading();
                    reload(&mut current, load(), &shared);
                    systemd::ready(&listen, &upstream);
                }
                failure = relay.ended() => return Err(failure),
                // Traffic goes on: an application must not lose its database because its metrics are gone.
                end = &mut admin_end, if admin_runs => {
                    admin_runs = false;
                    tracing::error!(reason = reason(end), "the admin server stopped; traffic goes on without it");
                }
            }
        }
        systemd::stopping(&current.shutdown.grace);
        shared.drain();
        relay.drain(current.shutdown.grace, stop_signal.recv()).await?;
        stop.send_replace(true);
        if admin_runs {
            let _ = tokio::time::timeout(PATIENCE, &mut admin_end).await;
        }
        tracing::info!("stopped");
        Ok(())
    })
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Runs a future to its end on an event loop of its own, on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    Ok(runtime()?.block_on(future))
}

/// One line for each bound address. A closed standard output is no reason not to serve.
fn announce(upstream: &UpstreamList, listen: &Address, admin: SocketAddr) {
    let mut out = io::stdout().lock();
    let _ = write!(
        out,
        "pgscope: listening on {listen}, upstream {upstream}\npgscope: metrics and API on http://{admin}\n"
    );
    let _ = out.flush();
}

/// Runs a future on a thread of its own; the receiver fails where the thread panics.
fn spawn(
    name: &str,
    runtime: Runtime,
    future: impl Future<Output = io::Result<()>> + Send + 'static,
) -> io::Result<oneshot::Receiver<io::Result<()>>> {
    let (done, end) = oneshot::channel();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let result = runtime.block_on(future);
            runtime.shutdown_background();
            let _ = done.send(result);
        })?;
    Ok(end)
}

fn reason(end: Result<io::Result<()>, oneshot::error::RecvError>) -> String {
    match end {
        Ok(Ok(())) => "it ended without a reason".into(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its thread panicked".into(),
    }
}

/// Takes over what can change while connections are open: certificates and detectors. Says what else changed and waits for a
/// restart. A refused file changes nothing.
fn reload(current: &mut Settings, loaded: Result<Settings, Problems>, shared: &Shared) {
    shared.reload_certificates();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems.0 {
                tracing::error!(
                    place = %problem.source,
                    hint = problem.hint,
                    "configuration not reloaded: {}",
                    problem.what
                );
            }
            return;
        }
    };
    let changed = changes(current, &loaded);
    if changed.is_empty() {
        tracing::info!("configuration read again: nothing changed");
        return;
    }
    for change in changed {
        let (key, old, new) = (change.path, change.old, change.new);
        if key.starts_with("detectors.") {
            tracing::info!(key, old, new, "setting reloaded");
        } else {
            tracing::warn!(
                key,
                old,
                new,
                "setting changed in the configuration but needs a restart"
            );
        }
    }
    current.detectors = loaded.detectors;
    shared.reload(current);
}
