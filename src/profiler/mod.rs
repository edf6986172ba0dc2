//! The profiler: the bytes of sessions in; requests, statistics and findings out.
//!
//! A [`Tap`] watches one connection and lives in its task: decoding and attribution need no lock. What
//! connections share sits behind one mutex, taken once a chunk that ends a query and never across an
//! await; a scrape holds it for a copy, in its turn ([`Turn`]). A std mutex, since nothing under it ever waits.

mod inquiry;
mod notice;
mod source;
mod standing;
mod tap;
#[cfg(test)]
mod tests;
mod transaction;
mod turn;
mod watch;

pub use inquiry::Inquiry;
pub use tap::Tap;
pub use turn::Turn;

use crate::detect::{self, Detectors};
use crate::request::{self, Classes};
use crate::session::{At, CancelKey};
use crate::sql::random_seed;
use crate::stats::{self, SessionInfo, SessionKey, Stats, Traffic};
use standing::Standing;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watch::Watch;

/// What all connections share.
pub struct Profiler {
    traffic: Arc<Traffic>,
    next_session: AtomicU64,
    /// Of the hashes of cancel keys: another one in each process, so that a hash tells nothing about a key.
    seed: u64,
    settings: request::Settings,
    turn: Arc<Turn>,
    shared: Mutex<Shared>,
}

/// What is under the lock.
struct Shared {
    stats: Stats,
    classes: Classes,
    detectors: Detectors,
    slow_nanos: u64,
    sessions: BTreeMap<u64, OpenSession>,
}

/// A connection that is open.
struct OpenSession {
    /// But for its standing.
    info: SessionInfo,
    standing: Arc<Standing>,
    /// Hash of its BackendKeyData.
    cancel_key: Option<u64>,
    /// Known once the server has let the client in.
    key: Option<SessionKey>,
}

impl Shared {
    /// The open session whose server gave out the key of this hash. They are as few as connections, and CancelRequests are
    /// rare: no table is kept for them.
    fn named_by(&mut self, hash: u64) -> Option<(u64, &mut OpenSession)> {
        self.sessions
            .iter_mut()
            .find(|(_, session)| session.cancel_key == Some(hash))
            .map(|(id, session)| (*id, session))
    }
}

impl Default for Profiler {
    /// With the default of every setting.
    fn default() -> Self {
        Self::new(
            request::Settings::default(),
            &stats::Settings::default(),
            &detect::Settings::default(),
        )
    }
}

impl Profiler {
    /// Nothing seen yet.
    pub fn new(
        request: request::Settings,
        stats: &stats::Settings,
        detectors: &detect::Settings,
    ) -> Self {
        let shared = Shared {
            stats: Stats::new(stats),
            classes: Classes::new(request.max_classes),
            detectors: Detectors::new(detectors),
            slow_nanos: detectors.slow_threshold_nanos(),
            sessions: BTreeMap::new(),
        };
        Self {
            traffic: Arc::default(),
            next_session: AtomicU64::new(1),
            seed: random_seed(),
            settings: request,
            turn: Arc::default(),
            shared: Mutex::new(shared),
        }
    }

    /// Lock-free totals.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// To be taken before many chunks are looked at one after the other.
    pub fn turn(&self) -> &Arc<Turn> {
        &self.turn
    }

    /// Takes new detector settings; what was found stays.
    pub fn reload(&self, detectors: &detect::Settings) {
        let mut shared = self.lock();
        shared.detectors.reload(detectors);
        shared.slow_nanos = detectors.slow_threshold_nanos();
    }

    /// Starts to watch a connection of `client`, `ADDRESS:PORT` or `unix`.
    pub fn open(self: &Arc<Self>, client: &str, at: At) -> Tap {
        let id = self.next_session.fetch_add(1, Ordering::Relaxed);
        let standing = Arc::<Standing>::default();
        let info = SessionInfo {
            id,
            client: client.into(),
            database: "".into(),
            user: "".into(),
            application: "".into(),
            status: standing.status(),
            since: at,
            queries: standing.queries(),
            cancel_requests: 0,
            blind: None,
        };
        let session = OpenSession {
            info,
            standing: Arc::clone(&standing),
            cancel_key: None,
            key: None,
        };
        self.lock().sessions.insert(id, session);
        Tap::new(Arc::clone(self), Watch::new(id, client, at, standing))
    }

    /// Number of the open session that a CancelRequest names, if it is known here.
    pub fn session_of(&self, key: CancelKey<'_>) -> Option<u64> {
        let hash = key.hash(self.seed);
        self.lock().named_by(hash).map(|(id, _)| id)
    }

    /// A panic of the decoder is caught and counted elsewhere; totals are numbers, good after it too.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
