//! A source for tests: statistics behind a lock, as the profiler keeps them.

use super::state::{AdminState, CaughtUp, Check, Readiness, Settings};
use crate::sql::{Fingerprint, Statement};
use crate::stats::{
    BoundaryInfo, Filter, FindingEntry, Overview, RecentRequest, RouteEntry, SessionInfo, Snapshot,
    Source, StatementDetail, StatementEntry, Stats, Summary, Traffic, Upstreams,
};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

pub(super) struct Fixture {
    stats: Mutex<Stats>,
    pub(super) traffic: Traffic,
    pub(super) sessions: Vec<SessionInfo>,
    pub(super) boundaries: Vec<BoundaryInfo>,
}

impl Fixture {
    pub(super) fn new(stats: Stats) -> Self {
        Self {
            stats: Mutex::new(stats),
            traffic: Traffic::default(),
            sessions: Vec::new(),
            boundaries: Vec::new(),
        }
    }

    fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap()
    }
}

impl Source for Fixture {
    fn snapshot(&self) -> Snapshot {
        self.stats().snapshot()
    }
    fn findings(&self, filter: &Filter) -> Vec<FindingEntry> {
        self.stats().findings(filter)
    }
    fn requests(&self, filter: &Filter) -> Vec<RecentRequest> {
        self.stats().requests(filter)
    }
    fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)> {
        self.stats().routes(filter)
    }
    fn statements(&self, filter: &Filter) -> Vec<StatementEntry> {
        self.stats().statements(filter)
    }
    fn request(&self, id: u64) -> Option<RecentRequest> {
        self.stats().request_by_id(id)
    }

    fn statement_entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail> {
        self.stats().statement_entry(fingerprint)
    }

    fn texts(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Arc<Statement>>> {
        self.stats().texts(fingerprints)
    }

    fn overview(&self) -> Overview {
        self.stats().overview()
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        self.sessions.clone()
    }
    fn boundaries(&self) -> Vec<BoundaryInfo> {
        self.boundaries.clone()
    }
    fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

/// Noon of 31 January 2026.
pub(super) fn base() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800)
}

/// A proxy that listens before a server that answers.
pub(super) fn state_of(source: Fixture) -> AdminState {
    let readiness = Readiness::default();
    let upstreams = Upstreams::new(std::iter::once("db:5432".to_owned()));
    upstreams.set(0, false);
    readiness.set_listening();
    AdminState {
        source: Arc::new(source),
        relay: Arc::new(|| -> CaughtUp { Box::pin(async {}) }),
        readiness: Arc::new(readiness),
        health: Arc::new(|| -> Check { Box::pin(async { Ok(()) }) }),
        base: base(),
        upstreams: Arc::new(upstreams),
        settings: Settings::default(),
        profiling: true,
        token: None,
    }
}

/// The same with nothing counted.
pub(super) fn state() -> AdminState {
    state_of(Fixture::new(Stats::new(&crate::stats::Settings::default())))
}
