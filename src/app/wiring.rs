//! What runs on the two listeners. The one file above the edges that names the relay, the admin server and the
//! profiler.

use crate::admin::{self, AdminState, CatchUp, CaughtUp, Check, HealthCheck, Readiness};
use crate::config::{Secrets, Settings, UpstreamList};
use crate::explain::{self, Connecting};
use crate::profiler::Profiler;
use crate::proxy::{self, Clock, Tls, TlsError};
use crate::session::At;
use crate::stats::Source;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use crate::proxy::{Inherited, Listener, Threads};

/// What the relay and the admin server share.
pub struct Shared {
    profiler: Arc<Profiler>,
    proxy: Arc<proxy::Shared>,
    clock: Clock,
    admin: admin::Settings,
    secrets: Secrets,
    explain: explain::Settings,
    readiness: Arc<Readiness>,
    profiling: bool,
    threads: usize,
}

impl Shared {
    /// Builds it from the settings, before any port is bound. Reads certificates and keys.
    pub fn new(
        settings: &Settings,
        upstream: UpstreamList,
        secrets: Secrets,
    ) -> Result<Self, TlsError> {
        let tls = Tls::load(&settings.client_tls, &settings.upstream_tls, &upstream)?;
        let profiler = Arc::new(Profiler::new(
            settings.request.clone(),
            &settings.stats,
            &settings.detectors,
        ));
        let clock = Clock::start();
        let proxy = proxy::Shared::new(
            Arc::clone(&profiler),
            upstream,
            settings.proxy.clone(),
            settings.shutdown.clone(),
            clock,
        );
        let proxy = Arc::new(proxy.with_tls(tls));
        Ok(Self {
            profiler,
            proxy,
            clock,
            admin: admin::Settings {
                allowed_hosts: settings.admin.allowed_hosts.clone(),
            },
            secrets,
            explain: settings.explain.clone(),
            readiness: Arc::default(),
            profiling: settings.proxy.profiling,
            threads: proxy::threads(settings.proxy.threads),
        })
    }

    /// Threads of the relay, at least 1.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// What the edges may read.
    pub fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.profiler) as _
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.profiler.traffic().panicked();
    }

    /// No new connections from now on; readiness says so.
    pub fn drain(&self) {
        self.readiness.set_draining();
    }

    /// Reads certificates and keys again, from the files that were named at the start.
    pub fn reload_certificates(&self) {
        self.proxy.tls.reload();
    }

    /// Takes over the settings of the detectors; open connections stay.
    pub fn reload(&self, settings: &Settings) {
        self.profiler.reload(&settings.detectors);
    }
}

/// The server is healthy where it accepts a connection.
struct Upstream(Arc<proxy::Shared>);

impl HealthCheck for Upstream {
    fn check(&self) -> Check {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            proxy::probe(&shared)
                .await
                .map_err(|error| format!("no connection to {error}"))
        })
    }
}

/// Its totals are the profiler's, which is shown what was relayed.
struct Relay(Arc<proxy::Shared>);

impl CatchUp for Relay {
    fn catch_up(&self) -> CaughtUp {
        let shared = Arc::clone(&self.0);
        Box::pin(async move { shared.catch_up.wait().await })
    }
}

/// Forwards connections, on this thread and the others, until `draining` turns true, then lets open ones run up to
/// `shutdown.grace`.
pub async fn relay(
    listener: Listener,
    shared: Arc<Shared>,
    threads: Threads,
    mut draining: watch::Receiver<bool>,
) -> io::Result<()> {
    shared.readiness.set_listening();
    let asked = Arc::clone(&shared.proxy);
    // So that `upstream_up` is true or false from the start, and a wrong address is in the log before the first client.
    tokio::spawn(async move { proxy::probe(&asked).await });
    let drained = async move {
        let _ = draining.wait_for(|draining| *draining).await;
    };
    proxy::serve(listener, Arc::clone(&shared.proxy), threads, drained).await;
    Ok(())
}

/// The side connection: reaches the server and encrypts as the relay does, on the admin server's thread.
fn side(shared: &Shared) -> explain::Side {
    let (proxy, clock) = (Arc::clone(&shared.proxy), shared.clock);
    let connect = move || -> Connecting {
        let proxy = Arc::clone(&proxy);
        Box::pin(async move {
            let stream = proxy::dial(&proxy).await;
            stream.map_or_else(
                |error| Err(error.to_string()),
                |stream| Ok(Box::new(stream) as _),
            )
        })
    };
    explain::Side {
        settings: shared.explain.clone(),
        password: shared.secrets.password.clone(),
        inquiry: Arc::clone(&shared.profiler) as _,
        connector: Arc::new(connect),
        now: Box::new(move || clock.now()),
    }
}

/// Serves metrics, API and page until `stop` turns true, and asks the server where `[explain]` says so.
pub async fn admin(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let stopped = async move {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if shared.explain.enabled {
        tokio::spawn(explain::run(side(&shared)));
    }
    let state = AdminState {
        source: shared.source(),
        relay: Arc::new(Relay(Arc::clone(&shared.proxy))),
        readiness: Arc::clone(&shared.readiness),
        health: Arc::new(Upstream(Arc::clone(&shared.proxy))),
        base: shared.clock.time_of_day(At(0)),
        upstreams: Arc::clone(&shared.proxy.upstreams),
        settings: shared.admin.clone(),
        profiling: shared.profiling,
        token: shared.secrets.token.clone(),
    };
    admin::serve(listener, state, stopped).await
}
