//! The real proxy, in the test's own process and runtime.

use super::eventually;
use super::peer::Peer;
use pgscope::profiler::Profiler;
use pgscope::proxy::{
    Address, ClientTls, Clock, Listener, Resolver, Settings, Shared, ShutdownSettings, Threads,
    Tls, UpstreamTls, serve,
};
use pgscope::stats::ConnectionOutcome;
use pgscope::units::Period;
use pgscope::{detect, request, stats};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What to start.
pub struct Setup {
    listen: String,
    upstream: String,
    pub settings: Settings,
    pub shutdown: ShutdownSettings,
    client_tls: ClientTls,
    upstream_tls: UpstreamTls,
    resolver: Resolver,
    pub request: request::Settings,
    pub stats: stats::Settings,
    pub detectors: detect::Settings,
}

impl Setup {
    /// A proxy on a free port in front of this server.
    pub fn to(upstream: impl Into<String>) -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            upstream: upstream.into(),
            settings: Settings::default(),
            shutdown: ShutdownSettings::default(),
            client_tls: ClientTls::default(),
            upstream_tls: UpstreamTls::default(),
            resolver: Resolver::default(),
            request: request::Settings::default(),
            stats: stats::Settings::default(),
            detectors: detect::Settings::default(),
        }
    }

    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    pub fn client_tls(mut self, settings: ClientTls) -> Self {
        self.client_tls = settings;
        self
    }

    pub fn upstream_tls(mut self, settings: UpstreamTls) -> Self {
        self.upstream_tls = settings;
        self
    }

    pub fn resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    pub fn unprofiled(mut self) -> Self {
        self.settings.profiling = false;
        self
    }

    pub fn max_connections(mut self, limit: usize) -> Self {
        self.settings.max_connections = limit;
        self
    }

    pub fn startup_timeout(mut self, limit: Duration) -> Self {
        self.settings.startup_timeout = Period(limit);
        self
    }

    pub fn grace(mut self, grace: Duration) -> Self {
        self.shutdown.grace = Period(grace);
        self
    }

    pub async fn start(self) -> Proxy {
        let listener = Listener::bind(&self.listen.parse().unwrap()).await.unwrap();
        let address = listener.address().unwrap();
        let upstream = self.upstream.parse().unwrap();
        let tls = Tls::load(&self.client_tls, &self.upstream_tls, &upstream).unwrap();
        let shared = Shared::new(
            Arc::new(Profiler::new(self.request, &self.stats, &self.detectors)),
            upstream,
            self.settings,
            self.shutdown,
            Clock::start(),
        );
        let shared = Arc::new(shared.with_tls(tls).with_resolver(self.resolver));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(
            listener,
            Arc::clone(&shared),
            Threads::only_this(),
            async {
                // An error means that the test is over.
                let _ = stopped.await;
            },
        ));
        Proxy {
            address,
            shared,
            stop: Some(stop),
            task,
        }
    }
}

/// A running proxy. Stops when dropped.
pub struct Proxy {
    pub address: Address,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(upstream: impl Into<String>) -> Self {
        Setup::to(upstream).start().await
    }

    pub async fn connect(&self) -> Peer {
        Peer::connect(&self.address).await
    }

    /// What all connections share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    pub fn shared_arc(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Gives the signal to shut down.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has shut down.
    pub async fn stopped(self) -> Arc<Shared> {
        super::within("the proxy to stop", self.task).await.unwrap();
        self.shared
    }

    /// Waits until so many connections ended so, and no other way, and none is open.
    pub async fn ended(&self, outcome: ConnectionOutcome, connections: u64) {
        let traffic = self.shared.profiler.traffic();
        let counts = || ConnectionOutcome::ALL.map(|outcome| traffic.ended(outcome));
        eventually("all connections to end", || {
            traffic.open() == 0 && counts().iter().sum::<u64>() >= connections
        })
        .await;
        let mut expected = [0; ConnectionOutcome::ALL.len()];
        expected[outcome as usize] = connections;
        assert_eq!(counts(), expected, "expected {connections} {outcome:?}");
    }
}
