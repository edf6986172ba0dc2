//! What pgscope tells Prometheus.

use super::catalogue::{self as spec, Spec};
use super::exposition::Exposition;
use super::family::Family;
use crate::finding::Severity;
use crate::sql::{Fingerprint, Verb};
use crate::stats::{
    ConnectionOutcome, Durations, ExplainOutcome, OTHER, Snapshot, Source, Stage,
    TransactionOutcome, Upstreams, seconds,
};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

/// Turns one snapshot a scrape into text. One metric at a time: all of them together, with full tables, are memory that
/// takes as long to get as the text takes to write, and no cache holds it.
pub struct Metrics {
    source: Arc<dyn Source>,
    upstreams: Arc<Upstreams>,
}

impl Metrics {
    /// `upstreams` are the servers of `upstream_up`.
    pub fn new(source: Arc<dyn Source>, upstreams: Arc<Upstreams>) -> Self {
        Self { source, upstreams }
    }

    /// Writes the totals of this moment in Prometheus' text format, a few hundred bytes at a time.
    pub fn write(&self, writer: impl Write) -> io::Result<()> {
        let snapshot = self.source.snapshot();
        let mut families = Families(Exposition::new(writer));
        families.relay(&*self.source, &self.upstreams)?;
        families.queries(&snapshot)?;
        families.databases(&snapshot)?;
        families.requests(&snapshot)?;
        families.statements(&snapshot)?;
        families.findings(&snapshot)?;
        families.profiler(&snapshot)
    }
}

struct Families<W>(Exposition<W>);

impl<W: Write> Families<W> {
    /// Writes a family: what `add` makes of each row.
    fn family<T>(
        &mut self,
        spec: &'static Spec,
        rows: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut Family<'_, W>, T),
    ) -> io::Result<()> {
        let mut family = Family::new(spec, &mut self.0);
        for row in rows {
            add(&mut family, row);
        }
        family.end()
    }

    /// Writes a family of values by their labels.
    fn values<'v, const N: usize>(
        &mut self,
        spec: &'static Spec,
        values: impl IntoIterator<Item = ([&'v str; N], f64)>,
    ) -> io::Result<()> {
        self.family(spec, values, |family, (labels, value)| {
            family.value(labels, value)
        })
    }

    /// Writes a family of histograms by their labels; one with nothing in it is no series.
    fn durations<'v, const N: usize>(
        &mut self,
        spec: &'static Spec,
        durations: impl IntoIterator<Item = ([&'v str; N], &'v Durations)>,
    ) -> io::Result<()> {
        self.family(spec, durations, |family, (labels, durations)| {
            let count = durations.count();
            if count > 0 {
                family.histogram(labels, durations.buckets(), count, durations.seconds());
            }
        })
    }

    fn relay(&mut self, source: &dyn Source, upstreams: &Upstreams) -> io::Result<()> {
        let traffic = source.traffic();
        self.values(&spec::BUILD_INFO, [([env!("CARGO_PKG_VERSION")], 1.0)])?;
        self.values(&spec::CONNECTIONS_OPEN, [([], traffic.open() as f64)])?;
        let ended = ConnectionOutcome::ALL.iter();
        let ended = ended.map(|of| ([of.as_str()], traffic.ended(*of) as f64));
        self.values(&spec::CONNECTIONS_TOTAL, ended)?;
        let profiling = Stage::ALL.iter();
        let profiling = profiling.map(|of| ([of.as_str()], seconds(traffic.profiling(*of))));
        self.values(&spec::PROFILING_SECONDS_TOTAL, profiling)?;
        let (frontend, backend) = traffic.bytes();
        let bytes = [
            (["frontend"], frontend as f64),
            (["backend"], backend as f64),
        ];
        self.values(&spec::BYTES_TOTAL, bytes)?;
        let up = upstreams.tried();
        let up = up.map(|(upstream, is_up)| ([upstream], f64::from(u8::from(is_up))));
        self.values(&spec::UPSTREAM_UP, up)?;
        let removed = traffic.offers_changed() as f64;
        self.values(&spec::SCRAM_PLUS_REMOVED_TOTAL, [([], removed)])?;
        let explain = ExplainOutcome::ALL.iter();
        let explain = explain.map(|of| ([of.as_str()], traffic.explanations(*of) as f64));
        self.values(&spec::EXPLAIN_TOTAL, explain)
    }

    fn queries(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        self.family(&spec::QUERIES_TOTAL, &snapshot.pairs, |family, pair| {
            let database = name(&snapshot.databases, pair.database);
            let user = name(&snapshot.users, pair.user);
            for verb in Verb::ALL {
                let [ok, error] = pair.queries[*verb as usize];
                for (status, count) in [("ok", ok), ("error", error)] {
                    if count > 0 {
                        family.value([database, status, user, verb.as_str()], count as f64);
                    }
                }
            }
        })?;
        let verbs = || {
            let labelled = snapshot.verbs.iter();
            labelled.map(|row| {
                (
                    [name(&snapshot.databases, row.database), row.verb.as_str()],
                    row,
                )
            })
        };
        let histograms = verbs().map(|(labels, row)| (labels, &row.duration));
        self.durations(&spec::QUERY_DURATION_SECONDS, histograms)?;
        let histograms = verbs().map(|(labels, row)| (labels, &row.first_byte));
        self.durations(&spec::QUERY_FIRST_BYTE_SECONDS, histograms)?;
        let transfer = verbs().map(|(labels, row)| (labels, seconds(row.transfer_nanos)));
        self.values(&spec::QUERY_TRANSFER_SECONDS_TOTAL, transfer)?;
        let stall = verbs().map(|(labels, row)| (labels, seconds(row.stalled_nanos)));
        self.values(&spec::CLIENT_STALL_SECONDS_TOTAL, stall)?;
        let rows = verbs().map(|(labels, row)| (labels, row.rows as f64));
        self.values(&spec::QUERY_ROWS_TOTAL, rows)?;
        let errors = snapshot.errors.iter().map(|row| {
            let code = row.code.as_ref().map_or(OTHER, |code| code.as_str());
            let database = name(&snapshot.databases, row.database);
            ([database, code], row.count as f64)
        });
        self.values(&spec::ERRORS_TOTAL, errors)
    }

    fn databases(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let rows = || {
            let names = snapshot.databases.iter().map(|database| &**database);
            names.zip(&snapshot.database_rows)
        };
        let histograms = rows().map(|(database, row)| ([database], &row.setup));
        self.durations(&spec::CONNECTION_SETUP_SECONDS, histograms)?;
        let cancels = rows().map(|(database, row)| ([database], row.cancel_requests as f64));
        self.values(&spec::CANCEL_REQUESTS_TOTAL, cancels.filter(is_positive))?;
        let batches = rows().map(|(database, row)| ([database], row.batches.count() as f64));
        self.values(&spec::BATCHES_TOTAL, batches.filter(is_positive))?;
        let histograms = rows().map(|(database, row)| ([database], &row.batches));
        self.durations(&spec::BATCH_DURATION_SECONDS, histograms)?;
        let think = rows().map(|(database, row)| ([database], seconds(row.think_nanos)));
        self.values(&spec::THINK_SECONDS_TOTAL, think.filter(is_positive))?;
        let outcomes = || {
            rows().flat_map(|(database, row)| {
                let outcomes = TransactionOutcome::ALL.iter();
                outcomes.map(move |outcome| ([database, outcome.as_str()], *outcome as usize, row))
            })
        };
        let transactions = outcomes()
            .map(|(labels, outcome, row)| (labels, row.transactions[outcome].count() as f64));
        self.values(&spec::TRANSACTIONS_TOTAL, transactions.filter(is_positive))?;
        let histograms =
            outcomes().map(|(labels, outcome, row)| (labels, &row.transactions[outcome]));
        self.durations(&spec::TRANSACTION_DURATION_SECONDS, histograms)?;
        let histograms = outcomes().map(|(labels, outcome, row)| (labels, &row.idle[outcome]));
        self.durations(&spec::IDLE_IN_TRANSACTION_SECONDS, histograms)?;
        let checks = rows().map(|(database, row)| ([database], row.health_checks as f64));
        self.values(
            &spec::HEALTH_CHECK_REQUESTS_TOTAL,
            checks.filter(is_positive),
        )
    }

    fn requests(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let routes = || {
            let routes = snapshot.routes.iter();
            routes.map(|entry| ([entry.boundary.as_str(), &*entry.route], &entry.totals))
        };
        let requests = routes().map(|(labels, totals)| (labels, totals.queries.count() as f64));
        self.values(&spec::REQUESTS_TOTAL, requests)?;
        self.family(
            &spec::REQUEST_QUERIES,
            routes(),
            |family, (labels, totals)| {
                let counts = &totals.queries;
                let sum = counts.queries() as f64;
                family.histogram(labels, counts.buckets(), counts.count(), sum);
            },
        )?;
        let histograms = routes().map(|(labels, totals)| (labels, &totals.database));
        self.durations(&spec::REQUEST_DATABASE_SECONDS, histograms)?;
        let histograms = routes().map(|(labels, totals)| (labels, &totals.duration));
        self.durations(&spec::REQUEST_DURATION_SECONDS, histograms)
    }

    fn statements(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let mut statements: Vec<_> = snapshot.statements.iter().collect();
        statements.sort_unstable_by_key(|(statement, _)| statement.fingerprint);
        let named = statements.into_iter();
        let named =
            named.map(|(statement, totals)| (statement.fingerprint.to_string(), statement, totals));
        let named: Vec<_> = named.collect();
        let counted = || {
            let rows = (named.iter()).map(|(fingerprint, _, totals)| ([&**fingerprint], *totals));
            let rows = rows.chain([([OTHER], &snapshot.other_statements)]);
            rows.filter(|(_, totals)| totals.durations.count() > 0)
        };
        let calls = counted().map(|(labels, totals)| (labels, totals.durations.count() as f64));
        self.values(&spec::STATEMENT_CALLS_TOTAL, calls)?;
        let rows = counted().map(|(labels, totals)| (labels, totals.rows as f64));
        self.values(&spec::STATEMENT_ROWS_TOTAL, rows)?;
        let histograms = counted().map(|(labels, totals)| (labels, &totals.durations));
        self.durations(&spec::STATEMENT_DURATION_SECONDS, histograms)?;
        let info = named.iter().map(|(fingerprint, statement, _)| {
            let facts = &statement.facts;
            let labels = [
                &**fingerprint,
                &*statement.text,
                &*facts.table,
                facts.verb.as_str(),
            ];
            (labels, 1.0)
        });
        self.values(&spec::STATEMENT_INFO, info)
    }

    /// Causes that differ only in what is no label (the parent's fingerprint, a cut text) add up in one series.
    fn findings(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let mut found = BTreeMap::new();
        let mut n_plus_one = BTreeMap::new();
        let mut wasted = BTreeMap::new();
        let mut slow = BTreeMap::new();
        let fingerprints: Vec<_> = (snapshot.findings.iter())
            .map(|entry| hex(entry.fingerprint))
            .collect();
        for (entry, fingerprint) in snapshot.findings.iter().zip(&fingerprints) {
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
        self.values(&spec::FINDINGS_TOTAL, found)?;
        self.values(&spec::N_PLUS_ONE_TOTAL, n_plus_one)?;
        self.values(&spec::N_PLUS_ONE_WASTED_SECONDS_TOTAL, wasted)?;
        self.values(&spec::SLOW_QUERIES_TOTAL, slow)
    }

    fn profiler(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let reason = |(reason, count): &(&'static str, u64)| ([*reason], *count as f64);
        self.values(
            &spec::SESSIONS_BLIND_TOTAL,
            snapshot.blind.iter().map(reason),
        )?;
        self.values(
            &spec::EVENTS_DROPPED_TOTAL,
            snapshot.dropped.iter().map(reason),
        )?;
        let tables = || snapshot.tables.iter();
        let entries = tables().map(|table| ([table.name], table.entries as f64));
        self.values(&spec::TABLE_ENTRIES, entries)?;
        let evictions = tables().map(|table| ([table.name], table.evictions as f64));
        self.values(&spec::TABLE_EVICTIONS_TOTAL, evictions)
    }
}

/// Nothing makes no series.
fn is_positive<L>((_, value): &(L, f64)) -> bool {
    *value > 0.0
}

/// Adds to a sum; nothing makes no series.
fn add<'a, const N: usize>(
    sums: &mut BTreeMap<[&'a str; N], f64>,
    labels: [&'a str; N],
    value: f64,
) {
    if value > 0.0 {
        *sums.entry(labels).or_default() += value;
    }
}

/// The name of a number; a snapshot has one for each.
fn name(names: &[Arc<str>], number: u16) -> &str {
    names.get(usize::from(number)).map_or(OTHER, |name| name)
}

/// The fingerprint as a label; empty where there is none.
pub(super) fn hex(fingerprint: Option<Fingerprint>) -> String {
    fingerprint.map_or_else(String::new, |fingerprint| fingerprint.to_string())
}
