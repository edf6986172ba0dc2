//! All totals in one place.

use super::finding::{FindingEntry, FindingRow};
use super::findings::Findings;
use super::histogram::Summary;
use super::overview::Overview;
use super::queries::{Queries, QuerySample, SessionKey};
use super::recent::{Recent, RecentRequest};
use super::requests::{RouteEntry, Routes};
use super::snapshot::{BLIND_REASONS, DatabaseRow, Snapshot, TransactionOutcome};
use super::sqlstates::SqlStates;
use super::statements::{Load, StatementDetail, StatementEntry, StatementSlot, Statements};
use super::words::{Counters, Table};
use super::{Filter, OTHER, Settings};
use crate::request::Request;
use crate::session::{BlindReason, DROP_REASONS, SqlState};
use crate::sql::{Fingerprint, Statement, Verb};
use std::sync::Arc;

/// All totals. Plain data: no clock and no lock inside.
///
/// Counting a query costs array accesses and one look-up by fingerprint; it allocates only where a statement,
/// database, user or verb is seen for the first time.
#[derive(Debug)]
pub struct Stats {
    settings: Settings,
    queries: Queries,
    statements: Statements,
    errors: SqlStates,
    databases: Vec<DatabaseRow>,
    routes: Routes,
    recent: Recent,
    findings: Findings,
    blind: [u64; BLIND_REASONS.len()],
    dropped: Counters,
    tables: Vec<Table>,
}

impl Stats {
    /// Nothing counted yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            settings: *settings,
            queries: Queries::new(settings),
            statements: Statements::new(settings.statements),
            errors: SqlStates::new(settings.sqlstates),
            databases: Vec::new(),
            routes: Routes::new(settings.routes),
            recent: Recent::new(settings.recent_requests, settings.routes),
            findings: Findings::new(settings.findings),
            blind: [0; BLIND_REASONS.len()],
            dropped: Counters::known(&DROP_REASONS),
            tables: Vec::new(),
        }
    }

    /// The key of a session, once its startup packet is read.
    pub fn session(&mut self, database: &str, user: &str) -> SessionKey {
        let key = self.queries.session(database, user);
        let known = self.databases.len().max(usize::from(key.database) + 1);
        self.databases.resize(known, DatabaseRow::default());
        key
    }

    /// The row of a statement, for the very next [`Stats::query`]; `make` runs where it has none yet.
    pub fn statement(
        &mut self,
        fingerprint: Fingerprint,
        make: impl FnOnce() -> Arc<Statement>,
    ) -> StatementSlot {
        self.statements.slot(fingerprint, make)
    }

    /// The statement that [`Stats::statement`] has just given a row.
    pub fn statement_at(&self, slot: StatementSlot) -> Option<&Arc<Statement>> {
        self.statements
            .rows()
            .get(slot.index())
            .map(|row| &row.statement)
    }

    /// Counts a query.
    pub fn query(&mut self, key: SessionKey, sample: &QuerySample) {
        self.queries.query(key, sample);
        if let Some(slot) = sample.statement {
            self.statements.query(slot, key.database, sample);
        }
    }

    /// Counts time in which the end of a reply to a query of this verb waited for the client.
    pub fn stalled(&mut self, key: SessionKey, verb: Verb, nanos: u64) {
        self.queries.stalled(key, verb, nanos);
    }

    /// Counts a batch.
    pub fn batch(&mut self, key: SessionKey, nanos: u64) {
        if let Some(row) = self.database(key) {
            row.batches.record(nanos);
        }
    }

    /// Counts an ErrorResponse.
    pub fn error(&mut self, key: SessionKey, code: SqlState) {
        self.errors.error(key.database, code);
    }

    /// Counts a session that reached its first ReadyForQuery, `nanos` after it was accepted.
    pub fn connection_setup(&mut self, key: SessionKey, nanos: u64) {
        if let Some(row) = self.database(key) {
            row.setup.record(nanos);
        }
    }

    /// Counts requests that were nothing but health checks.
    pub fn health_checks(&mut self, key: SessionKey, ended: u64) {
        if let Some(row) = self.database(key) {
            row.health_checks += ended;
        }
    }

    /// Counts a transaction that took `nanos` from the end of its BEGIN to its end.
    pub fn transaction(&mut self, key: SessionKey, outcome: TransactionOutcome, nanos: u64) {
        if let Some(row) = self.database(key) {
            row.transactions[outcome as usize].record(nanos);
        }
    }

    /// Counts the time that a transaction, at its end, had waited for its client: once a transaction, all its
    /// waits together.
    pub fn idle_in_transaction(
        &mut self,
        key: SessionKey,
        outcome: TransactionOutcome,
        nanos: u64,
    ) {
        if let Some(row) = self.database(key) {
            row.idle[outcome as usize].record(nanos);
        }
    }

    /// Counts a CancelRequest; `None` where nobody knows whose.
    pub fn cancel_request(&mut self, key: Option<SessionKey>) {
        let key = key.unwrap_or_else(|| self.session(OTHER, OTHER));
        if let Some(row) = self.database(key) {
            row.cancel_requests += 1;
        }
    }

    fn database(&mut self, key: SessionKey) -> Option<&mut DatabaseRow> {
        self.databases.get_mut(usize::from(key.database))
    }

    /// Counts a session that went blind.
    pub fn blind(&mut self, reason: BlindReason) {
        if let Some(count) = self.blind.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Counts something that is missing from the other counts.
    pub fn dropped(&mut self, reason: &'static str) {
        self.dropped.count(reason);
    }

    /// Counts a closed request, in which these detectors found something; one without queries is none.
    pub fn request(&mut self, request: &Request, findings: &[&'static str]) {
        if request.queries > 0 {
            self.routes.request(request);
            self.recent.push(request, findings);
            let database = self.queries.databases.find(&request.database).unwrap_or(0);
            if let Some(row) = self.databases.get_mut(usize::from(database)) {
                row.think_nanos += request.think_nanos;
            }
        }
    }

    /// Counts a finding.
    pub fn finding(&mut self, row: &FindingRow<'_>) {
        let database = self.queries.databases.find(row.database).unwrap_or(0);
        self.findings.finding(row, database);
    }

    /// A finding of a request that was counted while it was open has grown since.
    pub fn finding_grew(&mut self, row: &FindingRow<'_>, queries: u32, seconds: f64) {
        self.findings.grow(row, queries, seconds);
    }

    /// Sets the size of a table that is kept elsewhere, and how much it has evicted since the start.
    pub fn table(&mut self, name: &'static str, entries: u64, evictions: u64) {
        super::words::set(
            &mut self.tables,
            Table {
                name,
                entries,
                evictions,
            },
        );
    }

    /// Causes that pass the filter, worst first, then by what they cost.
    pub fn findings(&self, filter: &Filter) -> Vec<FindingEntry> {
        match self.number(filter) {
            Ok(database) => self.findings.list(filter, database),
            Err(NoSuchDatabase) => Vec::new(),
        }
    }

    /// The last requests that pass the filter, newest first.
    pub fn requests(&self, filter: &Filter) -> Vec<RecentRequest> {
        self.recent.list(filter)
    }

    /// Routes that pass the filter with quantiles of their time in the database, most time first.
    pub fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)> {
        self.routes.list(filter)
    }

    /// Statements that pass the filter with quantiles of their time, in its order.
    pub fn statements(&self, filter: &Filter) -> Vec<StatementEntry> {
        match self.number(filter) {
            Ok(database) => self.statements.entries(database, filter),
            Err(NoSuchDatabase) => Vec::new(),
        }
    }

    /// The request of this number, where it is still kept.
    pub fn request_by_id(&self, id: u64) -> Option<RecentRequest> {
        self.recent.find(id)
    }

    /// The statement of this fingerprint with all that is known of it, where it has a row.
    pub fn statement_entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail> {
        self.statements.entry(fingerprint)
    }

    /// Statements of these fingerprints, as far as they have a row.
    pub fn texts(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Arc<Statement>>> {
        let texts = fingerprints.iter();
        texts
            .map(|fingerprint| Some(Arc::clone(self.statements.find(*fingerprint)?.0)))
            .collect()
    }

    /// What each SELECT takes; `slow` in nanoseconds.
    pub fn loads(&self, slow: u64) -> Vec<Load> {
        self.statements.loads(slow)
    }

    /// A statement that has a row, and the databases that it was seen in.
    pub fn find(&self, fingerprint: Fingerprint) -> Option<(Arc<Statement>, Vec<Arc<str>>)> {
        let (statement, seen) = self.statements.find(fingerprint)?;
        let named = self
            .databases()
            .filter(|(number, _)| seen.contains(*number));
        Some((Arc::clone(statement), named.map(|(_, name)| name).collect()))
    }

    /// The databases that have a number of their own.
    pub fn databases(&self) -> impl Iterator<Item = (u16, Arc<str>)> {
        let names = self.queries.databases.all().iter().enumerate().skip(1);
        names.map(|(number, name)| (number as u16, Arc::clone(name)))
    }

    fn number(&self, filter: &Filter) -> Result<Option<u16>, NoSuchDatabase> {
        match &filter.database {
            None => Ok(None),
            Some(name) => match self.queries.databases.find(name) {
                None => Err(NoSuchDatabase),
                number => Ok(number),
            },
        }
    }

    /// The most series that one scrape can hold.
    pub fn series_ceiling(&self) -> usize {
        self.settings.series_ceiling()
    }

    /// A copy of all totals, meant to be made under a lock and read outside it: copies of numbers and counted
    /// references, no text.
    pub fn snapshot(&self) -> Snapshot {
        let statements = self.statements.rows().iter();
        Snapshot {
            databases: self.queries.databases.all().to_vec(),
            users: self.queries.users.all().to_vec(),
            database_rows: self.databases.clone(),
            pairs: self.queries.pairs.clone(),
            verbs: self.queries.verbs.clone(),
            errors: self.errors.rows().to_vec(),
            statements: statements
                .map(|row| (Arc::clone(&row.statement), row.totals))
                .collect(),
            other_statements: *self.statements.other(),
            routes: self.routes.all(),
            findings: self.findings.all(),
            other_findings: self.findings.other().clone(),
            blind: self.blinded().collect(),
            dropped: self.dropped.all().to_vec(),
            tables: self
                .own_tables()
                .chain(self.tables.iter().copied())
                .collect(),
        }
    }

    /// Sums of all totals, without copying them.
    pub fn overview(&self) -> Overview {
        let queries = self.queries.pairs.iter().flat_map(|pair| pair.queries);
        let (requests, database_seconds) = self.routes.sums();
        let tables = self.own_tables().chain(self.tables.iter().copied());
        Overview {
            queries: queries.flatten().sum(),
            errors: self.errors.rows().iter().map(|row| row.count).sum(),
            requests,
            database_seconds,
            findings: self.findings.by_detector(),
            blind: self.blinded().collect(),
            dropped: self.dropped.all().to_vec(),
            tables: tables
                .map(|table| (table, self.settings.size_of(table.name)))
                .collect(),
        }
    }

    fn blinded(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let reasons = BLIND_REASONS.iter().map(|reason| reason.as_str());
        reasons.zip(self.blind)
    }

    fn own_tables(&self) -> impl Iterator<Item = Table> {
        let (databases, users) = (&self.queries.databases, &self.queries.users);
        let (routes, routes_evicted) = self.routes.entries();
        let (recent, overwritten) = self.recent.entries();
        let (findings, findings_evicted) = self.findings.entries();
        [
            ("databases", databases.len(), databases.refused()),
            ("users", users.len(), users.refused()),
            (
                "database_users",
                self.queries.named_pairs(),
                self.queries.refused_pairs,
            ),
            ("sqlstates", self.errors.codes(), self.errors.refused()),
            (
                "statements",
                self.statements.rows().len(),
                self.statements.evictions(),
            ),
            ("routes", routes, routes_evicted),
            ("recent_requests", recent, overwritten),
            ("findings", findings, findings_evicted),
        ]
        .into_iter()
        .map(|(name, entries, evictions)| Table {
            name,
            entries: entries as u64,
            evictions,
        })
    }
}

/// A filter names a database that has no number.
struct NoSuchDatabase;
