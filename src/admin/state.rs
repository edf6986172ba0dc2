//! What the admin address needs to know.

use crate::session::At;
use crate::stats::{Source, Upstreams};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who may ask, part of `[admin]` of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Names that a `Host` header may have beside the bound address, with or without a port.
    pub allowed_hosts: Vec<String>,
}

/// Everything behind the admin address.
pub struct AdminState {
    /// The totals.
    pub source: Arc<dyn Source>,
    /// To be waited for before the totals are read.
    pub relay: Arc<dyn CatchUp>,
    /// Whether the proxy takes connections.
    pub readiness: Arc<Readiness>,
    /// Whether the server answers.
    pub health: Arc<dyn HealthCheck>,
    /// The time of day at `At(0)`.
    pub base: SystemTime,
    /// The servers of `upstream_up`.
    pub upstreams: Arc<Upstreams>,
    /// Who may ask.
    pub settings: Settings,
    /// Queries are looked at (`proxy.profiling`).
    pub profiling: bool,
    /// The bearer token that all but `/livez` and `/readyz` demand.
    pub token: Option<String>,
}

impl AdminState {
    /// The time of day, for people: what `since=10m` means, and when an answer was made.
    pub(super) fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// A moment as RFC 3339 in UTC.
    pub(super) fn time(&self, at: At) -> String {
        let time = self.base.checked_add(Duration::from_nanos(at.0));
        // A clock before 1970 cannot be written so.
        let time = time.unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH);
        humantime::format_rfc3339_millis(time).to_string()
    }

    /// A time of day as a moment; the start for all that is earlier.
    pub(super) fn moment(&self, time: SystemTime) -> At {
        let nanos = time.duration_since(self.base).unwrap_or_default();
        At(u64::try_from(nanos.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Whether the proxy takes connections: not before it listens, not while it drains.
#[derive(Debug, Default)]
pub struct Readiness {
    listening: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// The proxy listens.
    pub fn set_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// The proxy takes no more connections.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why the proxy takes no connections; `Ok` where it does.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            Err("draining")
        } else if self.listening.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("not listening yet")
        }
    }
}

/// Ready when the totals have all that was relayed before.
pub type CaughtUp = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has the totals catch up with what was relayed. Closures that return [`CaughtUp`] do that.
pub trait CatchUp: Send + Sync {
    /// Begins to.
    fn catch_up(&self) -> CaughtUp;
}

impl<F: Fn() -> CaughtUp + Send + Sync> CatchUp for F {
    fn catch_up(&self) -> CaughtUp {
        self()
    }
}

/// The answer of a health check: fine, or the reason why not.
pub type Check = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Asks whether the server answers. Closures that return a [`Check`] are health checks.
pub trait HealthCheck: Send + Sync {
    /// Starts to ask; the caller limits the time.
    fn check(&self) -> Check;
}

impl<F: Fn() -> Check + Send + Sync> HealthCheck for F {
    fn check(&self) -> Check {
        self()
    }
}
