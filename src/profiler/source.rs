//! What the edges may read.

use super::{OpenSession, Profiler, Shared};
use crate::request::{Boundary, Class, ClassKey, Usage};
use crate::sql::{Fingerprint, Statement};
use crate::stats::{
    BoundaryInfo, Filter, FindingEntry, Overview, RecentRequest, RouteEntry, SessionInfo, Snapshot,
    Source, StatementDetail, StatementEntry, Summary, Traffic,
};
use std::sync::Arc;

impl Shared {
    /// Tells the statistics how large the tables are that they do not keep.
    fn note_tables(&mut self) {
        let Self {
            stats,
            classes,
            detectors,
            ..
        } = self;
        stats.table("classes", classes.len() as u64, classes.refused());
        for (name, entries, evictions) in detectors.tables() {
            stats.table(name, entries, evictions);
        }
    }
}

impl Profiler {
    /// For whoever reads more than a row: waits for its turn, so that no thread of the relay waits for the copy.
    pub(super) fn copy<T>(&self, read: impl FnOnce(&mut Shared) -> T) -> T {
        let _turn = self.turn.take();
        read(&mut self.lock())
    }

    /// Adds what is counted without the lock: who panics may hold it.
    fn add_panics(&self, dropped: &mut Vec<(&'static str, u64)>) {
        dropped.push(("panic", self.traffic.panics()));
    }
}

impl Source for Profiler {
    fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.copy(|shared| {
            shared.note_tables();
            shared.stats.snapshot()
        });
        self.add_panics(&mut snapshot.dropped);
        snapshot
    }

    fn findings(&self, filter: &Filter) -> Vec<FindingEntry> {
        self.copy(|shared| shared.stats.findings(filter))
    }

    fn requests(&self, filter: &Filter) -> Vec<RecentRequest> {
        self.copy(|shared| shared.stats.requests(filter))
    }

    fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)> {
        self.copy(|shared| shared.stats.routes(filter))
    }

    fn statements(&self, filter: &Filter) -> Vec<StatementEntry> {
        self.copy(|shared| shared.stats.statements(filter))
    }

    fn request(&self, id: u64) -> Option<RecentRequest> {
        self.copy(|shared| shared.stats.request_by_id(id))
    }

    fn statement_entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail> {
        self.copy(|shared| shared.stats.statement_entry(fingerprint))
    }

    fn texts(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Arc<Statement>>> {
        self.copy(|shared| shared.stats.texts(fingerprints))
    }

    fn overview(&self) -> Overview {
        let mut overview = self.copy(|shared| {
            shared.note_tables();
            shared.stats.overview()
        });
        self.add_panics(&mut overview.dropped);
        overview
    }

    fn sessions(&self) -> Vec<SessionInfo> {
        let told = |session: &OpenSession| SessionInfo {
            queries: session.standing.queries(),
            status: session.standing.status(),
            ..session.info.clone()
        };
        self.copy(|shared| shared.sessions.values().map(told).collect())
    }

    fn boundaries(&self) -> Vec<BoundaryInfo> {
        self.copy(|shared| {
            let classes = shared.classes.iter();
            classes.map(|(key, class)| describe(key, class)).collect()
        })
    }

    fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

fn describe(key: &ClassKey, class: &Class) -> BoundaryInfo {
    let mode = class
        .requests()
        .max_by_key(|(_, count)| *count)
        .map_or(Boundary::None, |(mode, _)| mode);
    let name = [&key.client, &key.user, &key.database, &key.application]
        .map(String::as_str)
        .join(" ");
    BoundaryInfo {
        client: name.trim_end().into(),
        database: key.database.as_str().into(),
        mode: mode.as_str(),
        confidence: mode.confidence().as_str(),
        requests: class
            .requests()
            .map(|(boundary, count)| (boundary.as_str(), count))
            .collect(),
        hint: hint(mode, class.usage()).into(),
    }
}

/// The one line that would make attribution better.
fn hint(mode: Boundary, usage: Usage) -> &'static str {
    match mode {
        Boundary::Trace => "",
        Boundary::Connection | Boundary::Probe | Boundary::PoolCheck | Boundary::Discard => {
            "add route comments (sqlcommenter) to see routes instead of table names"
        }
        _ if usage == Usage::Persistent => {
            "set CONN_HEALTH_CHECKS = True, or add traceparent comments, to tell requests apart exactly"
        }
        _ => "add route or traceparent comments (sqlcommenter) to tell requests apart exactly",
    }
}
