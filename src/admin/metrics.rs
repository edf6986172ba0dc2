//! The Prometheus collector.

use super::catalogue as spec;
use super::family::Family;
use super::pace::Pace;
use crate::finding::Severity;
use crate::sql::{Fingerprint, Verb};
use crate::stats::{
    ConnectionOutcome, Durations, ExplainOutcome, OTHER, Snapshot, Source, Stage, StatementTotals,
    TransactionOutcome, Upstreams, seconds,
};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What every metric's name starts with.
pub(super) const PREFIX: &str = "pgscope_";

/// Turns one snapshot a scrape into metric families.
pub struct Metrics {
    source: Arc<dyn Source>,
    upstreams: Arc<Upstreams>,
    pace: Arc<Pace>,
    descs: Vec<Desc>,
}

impl Metrics {
    /// `upstreams` are the servers of `upstream_up`.
    pub fn new(source: Arc<dyn Source>, upstreams: Arc<Upstreams>) -> prometheus::Result<Self> {
        let descs = spec::ALL.iter().map(|spec| {
            let labels = spec.labels.iter().map(|label| (*label).to_owned());
            Desc::new(
                format!("{PREFIX}{}", spec.name),
                spec.help.to_owned(),
                labels.collect(),
                HashMap::new(),
            )
        });
        Ok(Self {
            pace: Arc::new(Pace::new(Arc::clone(&source))),
            source,
            upstreams,
            descs: descs.collect::<Result<_, _>>()?,
        })
    }

    /// The pace at which families are made, for who goes on with them.
    pub(super) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = self.source.snapshot();
        let mut families = Families::new(&self.pace);
        families.relay(&*self.source, &self.upstreams);
        families.queries(&snapshot);
        families.databases(&snapshot);
        families.requests(&snapshot);
        families.statements(&snapshot);
        families.findings(&snapshot);
        families.profiler(&snapshot);
        families.made.into_iter().map(Family::finish).collect()
    }
}

struct Families<'a> {
    made: Vec<Family>,
    pace: &'a Pace,
}

impl<'a> Families<'a> {
    fn new(pace: &'a Pace) -> Self {
        let made = Vec::new();
        Self { made, pace }
    }

    fn push<const N: usize>(&mut self, families: [Family; N]) {
        self.made.extend(families);
    }

    fn relay(&mut self, source: &dyn Source, upstreams: &Upstreams) {
        let traffic = source.traffic();
        let mut build = Family::new(&spec::BUILD_INFO);
        build.value([env!("CARGO_PKG_VERSION")], 1.0);
        let mut open = Family::new(&spec::CONNECTIONS_OPEN);
        open.value([], traffic.open() as f64);
        let mut ended = Family::new(&spec::CONNECTIONS_TOTAL);
        for outcome in ConnectionOutcome::ALL {
            ended.value([outcome.as_str()], traffic.ended(outcome) as f64);
        }
        let mut profiling = Family::new(&spec::PROFILING_SECONDS_TOTAL);
        for stage in Stage::ALL {
            profiling.value([stage.as_str()], seconds(traffic.profiling(stage)));
        }
        let (frontend, backend) = traffic.bytes();
        let mut bytes = Family::new(&spec::BYTES_TOTAL);
        bytes.value(["frontend"], frontend as f64);
        bytes.value(["backend"], backend as f64);
        let mut up = Family::new(&spec::UPSTREAM_UP);
        for (upstream, is_up) in upstreams.tried() {
            up.value([upstream], f64::from(u8::from(is_up)));
        }
        let mut removed = Family::new(&spec::SCRAM_PLUS_REMOVED_TOTAL);
        removed.value([], traffic.offers_changed() as f64);
        let mut explain = Family::new(&spec::EXPLAIN_TOTAL);
        for outcome in ExplainOutcome::ALL {
            explain.value([outcome.as_str()], traffic.explanations(outcome) as f64);
        }
        self.push([build, open, ended, profiling, bytes, up, removed, explain]);
    }

    fn queries(&mut self, snapshot: &Snapshot) {
        let mut queries = Family::new(&spec::QUERIES_TOTAL);
        for pair in &snapshot.pairs {
            let database = name(&snapshot.databases, pair.database);
            let user = name(&snapshot.users, pair.user);
            for verb in Verb::ALL {
                let [ok, error] = pair.queries[*verb as usize];
                for (status, count) in [("ok", ok), ("error", error)] {
                    if count > 0 {
                        queries.value([database, status, user, verb.as_str()], count as f64);
                    }
                }
            }
        }
        let mut duration = Family::new(&spec::QUERY_DURATION_SECONDS);
        let mut first_byte = Family::new(&spec::QUERY_FIRST_BYTE_SECONDS);
        let mut transfer = Family::new(&spec::QUERY_TRANSFER_SECONDS_TOTAL);
        let mut stall = Family::new(&spec::CLIENT_STALL_SECONDS_TOTAL);
        let mut rows = Family::new(&spec::QUERY_ROWS_TOTAL);
        for row in &snapshot.verbs {
            let labels = [name(&snapshot.databases, row.database), row.verb.as_str()];
            durations(&mut duration, labels, &row.duration);
            durations(&mut first_byte, labels, &row.first_byte);
            transfer.value(labels, seconds(row.transfer_nanos));
            stall.value(labels, seconds(row.stalled_nanos));
            rows.value(labels, row.rows as f64);
        }
        let mut errors = Family::new(&spec::ERRORS_TOTAL);
        for row in &snapshot.errors {
            let code = row.code.as_ref().map_or(OTHER, |code| code.as_str());
            let database = name(&snapshot.databases, row.database);
            errors.value([database, code], row.count as f64);
        }
        self.push([queries, duration, first_byte, transfer, stall, rows, errors]);
    }

    fn databases(&mut self, snapshot: &Snapshot) {
        let mut setup = Family::new(&spec::CONNECTION_SETUP_SECONDS);
        let mut batches = Family::new(&spec::BATCHES_TOTAL);
        let mut batch = Family::new(&spec::BATCH_DURATION_SECONDS);
        let mut think = Family::new(&spec::THINK_SECONDS_TOTAL);
        let mut cancels = Family::new(&spec::CANCEL_REQUESTS_TOTAL);
        let mut transactions = Family::new(&spec::TRANSACTIONS_TOTAL);
        let mut duration = Family::new(&spec::TRANSACTION_DURATION_SECONDS);
        let mut idle = Family::new(&spec::IDLE_IN_TRANSACTION_SECONDS);
        let mut checks = Family::new(&spec::HEALTH_CHECK_REQUESTS_TOTAL);
        for (database, row) in snapshot.databases.iter().zip(&snapshot.database_rows) {
            if row.health_checks > 0 {
                checks.value([database], row.health_checks as f64);
            }
            durations(&mut setup, [database], &row.setup);
            if row.batches.count() > 0 {
                batches.value([database], row.batches.count() as f64);
            }
            durations(&mut batch, [database], &row.batches);
            if row.think_nanos > 0 {
                think.value([database], seconds(row.think_nanos));
            }
            if row.cancel_requests > 0 {
                cancels.value([database], row.cancel_requests as f64);
            }
            for outcome in TransactionOutcome::ALL {
                let labels = [&**database, outcome.as_str()];
                let ended = &row.transactions[outcome as usize];
                if ended.count() > 0 {
                    transactions.value(labels, ended.count() as f64);
                }
                durations(&mut duration, labels, ended);
                durations(&mut idle, labels, &row.idle[outcome as usize]);
            }
        }
        self.push([
            setup,
            cancels,
            batches,
            batch,
            think,
            transactions,
            duration,
            idle,
            checks,
        ]);
    }

    fn requests(&mut self, snapshot: &Snapshot) {
        let mut requests = Family::new(&spec::REQUESTS_TOTAL);
        let mut queries = Family::new(&spec::REQUEST_QUERIES);
        let mut database = Family::new(&spec::REQUEST_DATABASE_SECONDS);
        let mut duration = Family::new(&spec::REQUEST_DURATION_SECONDS);
        for entry in &snapshot.routes {
            self.pace.step();
            let labels = [entry.boundary.as_str(), &entry.route];
            let counts = &entry.totals.queries;
            requests.value(labels, counts.count() as f64);
            let sum = counts.queries() as f64;
            queries.histogram(labels, counts.buckets(), counts.count(), sum);
            durations(&mut database, labels, &entry.totals.database);
            durations(&mut duration, labels, &entry.totals.duration);
        }
        self.push([requests, queries, database, duration]);
    }

    fn statements(&mut self, snapshot: &Snapshot) {
        let mut calls = Family::new(&spec::STATEMENT_CALLS_TOTAL);
        let mut rows = Family::new(&spec::STATEMENT_ROWS_TOTAL);
        let mut duration = Family::new(&spec::STATEMENT_DURATION_SECONDS);
        let mut info = Family::new(&spec::STATEMENT_INFO);
        let mut add = |fingerprint: &str, totals: &StatementTotals| {
            let count = totals.durations.count();
            if count > 0 {
                calls.value([fingerprint], count as f64);
                rows.value([fingerprint], totals.rows as f64);
                durations(&mut duration, [fingerprint], &totals.durations);
            }
        };
        // In the order of their labels, which spares the registry to sort every family.
        let mut statements: Vec<_> = snapshot.statements.iter().collect();
        statements.sort_unstable_by_key(|(statement, _)| statement.fingerprint);
        for (statement, totals) in statements {
            self.pace.step();
            let fingerprint = statement.fingerprint.to_string();
            let facts = &statement.facts;
            let labels = [
                &*fingerprint,
                &statement.text,
                &facts.table,
                facts.verb.as_str(),
            ];
            info.value(labels, 1.0);
            add(&fingerprint, totals);
        }
        add(OTHER, &snapshot.other_statements);
        self.push([calls, rows, duration, info]);
    }

    /// Causes that differ only in what is no label (the parent's fingerprint, a cut text) add up in one series.
    fn findings(&mut self, snapshot: &Snapshot) {
        let mut found = BTreeMap::new();
        let mut n_plus_one = BTreeMap::new();
        let mut wasted = BTreeMap::new();
        let mut slow = BTreeMap::new();
        let fingerprints: Vec<_> = (snapshot.findings.iter())
            .map(|entry| hex(entry.fingerprint))
            .collect();
        for (entry, fingerprint) in snapshot.findings.iter().zip(&fingerprints) {
            self.pace.step();
            for (severity, count) in Severity::ALL.iter().zip(entry.by_severity) {
                let labels = [entry.detector, fingerprint, &entry.route, severity.as_str()];
                add(&mut found, labels, count as f64);
            }
            let labels = [fingerprint, &*entry.route];
            if entry.is_n_plus_one() {
                let named = [
                    fingerprint,
                    &*entry.fix,
                    entry.kind,
                    &*entry.parent,
                    &*entry.relation,
                    &*entry.route,
                ];
                add(&mut n_plus_one, named, entry.labelled as f64);
                *wasted.entry(labels).or_default() += entry.wasted_seconds;
            }
            if entry.is_slow_query() {
                add(&mut slow, labels, entry.count as f64);
            }
        }
        let other = &snapshot.other_findings;
        for (detector, by_severity) in &other.by_detector {
            for (severity, count) in Severity::ALL.iter().zip(by_severity) {
                let labels = [*detector, OTHER, OTHER, severity.as_str()];
                add(&mut found, labels, *count as f64);
            }
        }
        add(&mut n_plus_one, [OTHER; 6], other.n_plus_one as f64);
        add(&mut wasted, [OTHER; 2], other.n_plus_one_wasted_seconds);
        add(&mut slow, [OTHER; 2], other.slow_queries as f64);
        self.push([
            sums(&spec::FINDINGS_TOTAL, &found),
            sums(&spec::N_PLUS_ONE_TOTAL, &n_plus_one),
            sums(&spec::N_PLUS_ONE_WASTED_SECONDS_TOTAL, &wasted),
            sums(&spec::SLOW_QUERIES_TOTAL, &slow),
        ]);
    }

    fn profiler(&mut self, snapshot: &Snapshot) {
        let mut blind = Family::new(&spec::SESSIONS_BLIND_TOTAL);
        for (reason, count) in &snapshot.blind {
            blind.value([reason], *count as f64);
        }
        let mut dropped = Family::new(&spec::EVENTS_DROPPED_TOTAL);
        for (reason, count) in &snapshot.dropped {
            dropped.value([reason], *count as f64);
        }
        let mut entries = Family::new(&spec::TABLE_ENTRIES);
        let mut evictions = Family::new(&spec::TABLE_EVICTIONS_TOTAL);
        for table in &snapshot.tables {
            entries.value([table.name], table.entries as f64);
            evictions.value([table.name], table.evictions as f64);
        }
        self.push([blind, dropped, entries, evictions]);
    }
}

/// Adds a duration histogram that has anything in it.
fn durations<const N: usize>(family: &mut Family, labels: [&str; N], durations: &Durations) {
    let count = durations.count();
    if count > 0 {
        family.histogram(labels, durations.buckets(), count, durations.seconds());
    }
}

type Sums<'a, const N: usize> = BTreeMap<[&'a str; N], f64>;

/// Adds to a sum; nothing makes no series.
fn add<'a, const N: usize>(sums: &mut Sums<'a, N>, labels: [&'a str; N], value: f64) {
    if value > 0.0 {
        *sums.entry(labels).or_default() += value;
    }
}

fn sums<const N: usize>(spec: &'static spec::Spec, sums: &Sums<'_, N>) -> Family {
    let mut family = Family::new(spec);
    for (labels, value) in sums {
        family.value(*labels, *value);
    }
    family
}

/// The name of a number; a snapshot has one for each.
fn name(names: &[Arc<str>], number: u16) -> &str {
    names.get(usize::from(number)).map_or(OTHER, |name| name)
}

/// The fingerprint as a label; empty where there is none.
pub(super) fn hex(fingerprint: Option<Fingerprint>) -> String {
    fingerprint.map_or_else(String::new, |fingerprint| fingerprint.to_string())
}
