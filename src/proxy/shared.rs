//! What all connections of a process share.

use crate::profiler::Profiler;
use crate::proxy::catch_up::CatchUp;
use crate::proxy::clock::Clock;
use crate::proxy::resolver::Resolver;
use crate::proxy::servers::UpstreamList;
use crate::proxy::settings::{Settings, ShutdownSettings};
use crate::proxy::tls::Tls;
use crate::proxy::unreachable::{Attempt, Unreachable};
use crate::proxy::upstream::Server;
use crate::session::CancelKey;
use crate::stats::Upstreams;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Clients that may at one time be told that there are too many of them; more are cut off without a word.
const REFUSALS: usize = 64;

/// The profiler, the settings and the state that belong to no single connection.
pub struct Shared {
    /// Who watches.
    pub profiler: Arc<Profiler>,
    /// Where the servers are.
    pub upstream: UpstreamList,
    /// Which of them can be reached.
    pub upstreams: Arc<Upstreams>,
    /// `[proxy]`.
    pub settings: Settings,
    /// `[shutdown]`.
    pub shutdown: ShutdownSettings,
    /// The clock of every session.
    pub clock: Clock,
    /// Has the profiler shown all that was relayed.
    pub catch_up: CatchUp,
    /// `[client_tls]` and `[upstream_tls]`, with their certificates.
    pub tls: Tls,
    pub(super) resolver: Resolver,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    crowd: Arc<Semaphore>,
    /// By number of the session: where it is. As many as there are connections.
    servers: Mutex<HashMap<u64, Server>>,
    draining: AtomicBool,
}

/// Whether a connection found a place. Gives it back when dropped.
pub(super) struct Admission {
    /// It is one too many; the client is told so.
    pub(super) refused: bool,
    _permit: OwnedSemaphorePermit,
}

/// A session is at a server.
pub(super) struct Placed<'a>(&'a Shared, u64);

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        self.0.servers().remove(&self.1);
    }
}

impl Shared {
    /// Puts the parts together, without TLS on either leg.
    pub fn new(
        profiler: Arc<Profiler>,
        upstream: UpstreamList,
        settings: Settings,
        shutdown: ShutdownSettings,
        clock: Clock,
    ) -> Self {
        let places = settings.max_connections.min(Semaphore::MAX_PERMITS);
        let names = upstream.all().iter().map(ToString::to_string);
        Self {
            profiler,
            upstreams: Arc::new(Upstreams::new(names)),
            upstream,
            settings,
            shutdown,
            clock,
            catch_up: CatchUp::default(),
            tls: Tls::default(),
            resolver: Resolver::default(),
            places: Arc::new(Semaphore::new(places)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            crowd: Arc::new(Semaphore::new(1)),
            servers: Mutex::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// Encrypts the legs as this says.
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Has names looked up by somebody else than the system.
    pub fn with_resolver(mut self, resolver: Resolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// The shutdown has begun: no new connections are accepted.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// `None` where there is not even a place among those who wait for their refusal.
    pub(super) fn admit(&self) -> Option<Admission> {
        let take = |semaphore: &Arc<Semaphore>, refused| {
            let permit = Arc::clone(semaphore).try_acquire_owned().ok()?;
            Some(Admission {
                refused,
                _permit: permit,
            })
        };
        take(&self.places, false).or_else(|| take(&self.refusals, true))
    }

    /// Allows those who looked whether servers are there to finish, though nobody waits for them.
    pub(super) fn look_around(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.crowd).try_acquire_owned().ok()
    }

    /// The server of the session that a CancelRequest names, where the session is known and open.
    pub(super) fn server_of(&self, key: CancelKey<'_>) -> Option<Server> {
        let session = self.profiler.session_of(key)?;
        self.servers().get(&session).copied()
    }

    /// Remembers where a session is, until what is returned is dropped.
    pub(super) fn place(&self, session: u64, server: Server) -> Placed<'_> {
        self.servers().insert(session, server);
        Placed(self, session)
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<u64, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An attempt to connect to a server that failed.
    pub(super) fn attempt(
        &self,
        index: usize,
        address: Option<SocketAddr>,
        error: io::Error,
    ) -> Attempt {
        Attempt::new(self.upstream.all().get(index), address, error)
    }

    /// Notes how an attempt to connect to a server went. Logs when that changed.
    pub(super) fn report_upstream(&self, index: usize, up: bool, failed: &Unreachable) {
        let before = self.upstreams.set(index, up);
        let upstream = self.upstream.all().get(index).map(tracing::field::display);
        if up && before == Some(false) {
            tracing::info!(upstream, "upstream server can be reached again");
        } else if !up && before != Some(false) {
            tracing::warn!(upstream, error = %failed, "upstream server cannot be reached");
        }
    }
}
