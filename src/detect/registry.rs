//! The one list of detectors.

use super::Subject;
use super::registration::{Built, Registration};
use super::{Allow, Detector, Finding, Monitor, Observed, Severity};
use super::{
    aborted_transaction, asgi_persistent_connections, cacheable_query, connection_churn,
    count_then_fetch, deep_offset, delete_loop, duplicate_query, get_or_create_loop, hot_query,
    huge_in_list, idle_in_transaction, insert_loop, large_result, long_transaction, m2m_add_loop,
    missing_index, n_plus_one, no_health_checks, non_sargable, pool_pressure, random_order,
    repr_queryset, request_query_count, save_all_columns, serializer_depth, session_overhead,
    slow_query, slow_request, table_audit, timezone_round_trip, unbounded_select, update_loop,
    wide_rows, write_heavy_request,
};
use crate::request::{Kind, Request};

macro_rules! detector {
    ($module:ident :: $detector:ident, $summary:literal) => {
        registration!($module, $detector, Detector, $summary)
    };
}

/// The same for a detector that watches a deployment.
macro_rules! monitor {
    ($module:ident :: $detector:ident, $summary:literal) => {
        registration!($module, $detector, Monitor, $summary)
    };
}

macro_rules! registration {
    ($module:ident, $detector:ident, $built:ident, $summary:literal) => {
        Registration {
            name: $module::NAME,
            summary: $summary,
            build: |settings| {
                let settings = &settings.$module;
                let build = || Built::$built(Box::new($module::$detector::new(settings.clone())));
                settings.enabled.then(build)
            },
            allow: |settings| &settings.$module.allow,
            severity: |settings| settings.$module.severity.fixed(),
            validate: |settings| {
                let settings = &settings.$module;
                settings.validate()?;
                settings.allow.validate($module::NAME)
            },
            source: include_str!(concat!(stringify!($module), ".rs")),
        }
    };
}

/// Every detector, in the order in which they look: a later one reads what the earlier ones found.
pub const REGISTRY: &[Registration] = &[
    detector!(n_plus_one::NPlusOne, "a query in a loop"),
    detector!(
        duplicate_query::DuplicateQuery,
        "the same query with the same values, again"
    ),
    detector!(
        get_or_create_loop::GetOrCreateLoop,
        "get_or_create() in a loop"
    ),
    detector!(insert_loop::InsertLoop, "an INSERT in a loop"),
    detector!(update_loop::UpdateLoop, "an UPDATE in a loop"),
    detector!(delete_loop::DeleteLoop, "a DELETE in a loop"),
    detector!(
        m2m_add_loop::M2mAddLoop,
        "add() to a many-to-many relation in a loop"
    ),
    detector!(
        save_all_columns::SaveAllColumns,
        "a wide row written back whole"
    ),
    detector!(
        write_heavy_request::WriteHeavyRequest,
        "a request with many writes"
    ),
    detector!(
        idle_in_transaction::IdleInTransaction,
        "a transaction in which the server waits for the app"
    ),
    detector!(long_transaction::LongTransaction, "a long transaction"),
    detector!(
        aborted_transaction::AbortedTransaction,
        "queries in an aborted transaction"
    ),
    detector!(slow_query::SlowQuery, "a query above the threshold"),
    detector!(
        request_query_count::RequestQueryCount,
        "a request with many queries"
    ),
    detector!(serializer_depth::SerializerDepth, "loops in loops in loops"),
    detector!(
        large_result::LargeResult,
        "one result that fills the memory"
    ),
    detector!(unbounded_select::UnboundedSelect, "a list without a LIMIT"),
    detector!(wide_rows::WideRows, "a list that reads more than it shows"),
    detector!(deep_offset::DeepOffset, "a page far behind"),
    detector!(
        random_order::RandomOrder,
        "order_by(?) of a table that is not small"
    ),
    detector!(huge_in_list::HugeInList, "an IN list of very many values"),
    detector!(repr_queryset::ReprQueryset, "a query set that is printed"),
    detector!(
        count_then_fetch::CountThenFetch,
        "a count of rows that are read anyway"
    ),
    detector!(
        non_sargable::NonSargable,
        "a predicate that no ordinary index serves"
    ),
    detector!(slow_request::SlowRequest, "a request that takes long"),
    monitor!(
        connection_churn::ConnectionChurn,
        "a connection for each request"
    ),
    monitor!(
        asgi_persistent_connections::AsgiPersistentConnections,
        "connections kept in vain under ASGI"
    ),
    monitor!(
        timezone_round_trip::TimezoneRoundTrip,
        "a round trip for the time zone on each connection"
    ),
    monitor!(
        pool_pressure::PoolPressure,
        "a server that runs out of connections"
    ),
    monitor!(
        no_health_checks::NoHealthChecks,
        "persistent connections that nobody checks"
    ),
    monitor!(
        session_overhead::SessionOverhead,
        "what sessions cost each request"
    ),
    monitor!(hot_query::HotQuery, "a query that runs all the time"),
    monitor!(
        cacheable_query::CacheableQuery,
        "a query whose answer does not change"
    ),
    monitor!(missing_index::MissingIndex, "a table without an index"),
    monitor!(table_audit::TableAudit, "a large table read whole"),
];

/// Configuration sections of all detectors, `[detectors.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Queries in loops.
    pub n_plus_one: n_plus_one::Settings,
    /// Equal queries.
    pub duplicate_query: duplicate_query::Settings,
    /// Loops of `get_or_create()`.
    pub get_or_create_loop: get_or_create_loop::Settings,
    /// INSERTs in loops.
    pub insert_loop: insert_loop::Settings,
    /// UPDATEs in loops.
    pub update_loop: update_loop::Settings,
    /// DELETEs in loops.
    pub delete_loop: delete_loop::Settings,
    /// Loops of `add()`.
    pub m2m_add_loop: m2m_add_loop::Settings,
    /// Rows that are written back whole.
    pub save_all_columns: save_all_columns::Settings,
    /// Requests with many writes.
    pub write_heavy_request: write_heavy_request::Settings,
    /// Waits in transactions.
    pub idle_in_transaction: idle_in_transaction::Settings,
    /// Long transactions.
    pub long_transaction: long_transaction::Settings,
    /// Queries in aborted transactions.
    pub aborted_transaction: aborted_transaction::Settings,
    /// Slow queries.
    pub slow_query: slow_query::Settings,
    /// Requests with many queries.
    pub request_query_count: request_query_count::Settings,
    /// Loops in loops.
    pub serializer_depth: serializer_depth::Settings,
    /// Results that fill the memory.
    pub large_result: large_result::Settings,
    /// Lists without bounds.
    pub unbounded_select: unbounded_select::Settings,
    /// Lists that read more than they show.
    pub wide_rows: wide_rows::Settings,
    /// Pages far behind.
    pub deep_offset: deep_offset::Settings,
    /// Tables that are shuffled.
    pub random_order: random_order::Settings,
    /// IN lists that are too long.
    pub huge_in_list: huge_in_list::Settings,
    /// Query sets that are printed.
    pub repr_queryset: repr_queryset::Settings,
    /// Counts of what is read anyway.
    pub count_then_fetch: count_then_fetch::Settings,
    /// Predicates that no index serves.
    pub non_sargable: non_sargable::Settings,
    /// Requests that take long.
    pub slow_request: slow_request::Settings,
    /// Connections of one request.
    pub connection_churn: connection_churn::Settings,
    /// Connections kept in vain.
    pub asgi_persistent_connections: asgi_persistent_connections::Settings,
    /// Time zones set on each connection.
    pub timezone_round_trip: timezone_round_trip::Settings,
    /// Servers without connections to give.
    pub pool_pressure: pool_pressure::Settings,
    /// Persistent connections without checks.
    pub no_health_checks: no_health_checks::Settings,
    /// Cost of sessions.
    pub session_overhead: session_overhead::Settings,
    /// Queries that run all the time.
    pub hot_query: hot_query::Settings,
    /// Answers that do not change.
    pub cacheable_query: cacheable_query::Settings,
    /// Plans without an index.
    pub missing_index: missing_index::Settings,
    /// Large tables that are read from end to end.
    pub table_audit: table_audit::Settings,
}

impl Settings {
    /// Refuses impossible values, in a sentence that names the key and what to write instead.
    pub fn validate(&self) -> Result<(), String> {
        REGISTRY
            .iter()
            .try_for_each(|registration| (registration.validate)(self))
    }

    /// Duration from which a query is slow, ns: for who counts [`crate::request::Group::slow`].
    pub fn slow_threshold_nanos(&self) -> u64 {
        self.slow_query.threshold.nanos()
    }
}

/// All enabled detectors.
pub struct Detectors {
    all: Vec<Box<dyn Detector>>,
    monitors: Vec<Box<dyn Monitor>>,
    /// What tables had evicted before the settings changed.
    evicted: Vec<(&'static str, u64)>,
    /// By detector name.
    allow: Vec<(&'static str, Allow)>,
    /// By detector name.
    severity: Vec<(&'static str, Severity)>,
}

impl Detectors {
    /// Builds what the settings enable. The settings should have passed [`Settings::validate`].
    pub fn new(settings: &Settings) -> Self {
        let (mut all, mut monitors) = (Vec::new(), Vec::new());
        for built in REGISTRY.iter().filter_map(|r| (r.build)(settings)) {
            match built {
                Built::Detector(detector) => all.push(detector),
                Built::Monitor(monitor) => monitors.push(monitor),
            }
        }
        Self {
            all,
            monitors,
            evicted: Vec::new(),
            allow: (REGISTRY.iter())
                .map(|r| (r.name, (r.allow)(settings).clone()))
                .filter(|(_, allow)| *allow != Allow::default())
                .collect(),
            severity: (REGISTRY.iter())
                .filter_map(|r| Some((r.name, (r.severity)(settings)?)))
                .collect(),
        }
    }

    /// Names of all detectors, also of those that are not enabled.
    pub fn names() -> impl Iterator<Item = &'static str> {
        REGISTRY.iter().map(|registration| registration.name)
    }

    /// Findings of a deployment that follow from what was seen.
    pub fn observe(&mut self, seen: &Observed<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for monitor in &mut self.monitors {
            monitor.observe(seen, &mut findings);
        }
        findings.retain(|finding| {
            let allowed = |(name, allow): &(&str, Allow)| {
                *name == finding.cause.detector && allow.allows_cause(&finding.cause)
            };
            !self.allow.iter().any(allowed)
        });
        self.rate(&mut findings);
        findings
    }

    /// Name, entries and evictions of the bounded table of each detector that has one.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, u64, u64)> + '_ {
        (self.monitors.iter()).filter_map(|monitor| {
            let (entries, evicted) = monitor.table()?;
            let before = self.evicted_before(monitor.name());
            Some((monitor.name(), entries, evicted + before))
        })
    }

    /// What the table of that name had evicted before the settings last changed.
    fn evicted_before(&self, name: &str) -> u64 {
        let mut counts = self.evicted.iter();
        counts
            .find(|(known, _)| *known == name)
            .map_or(0, |(_, count)| *count)
    }

    /// Takes new settings. Those that watch deployments begin anew, but what was counted of them stays.
    pub fn reload(&mut self, settings: &Settings) {
        let mut evicted: Vec<_> = self
            .tables()
            .map(|(name, _, count)| (name, count))
            .collect();
        // Those that are turned off for a while.
        let kept = self.evicted.iter().copied();
        evicted.extend(kept.filter(|(name, _)| self.monitors.iter().all(|m| m.name() != *name)));
        *self = Self::new(settings);
        self.evicted = evicted;
    }

    /// Gives findings the severity that the user has chosen for their detector.
    fn rate(&self, findings: &mut [Finding]) {
        for finding in findings {
            let name = finding.cause.detector;
            if let Some((_, severity)) = self.severity.iter().find(|(known, _)| *known == name) {
                finding.severity = *severity;
            }
        }
    }

    /// Findings of one request: at most one per cause, without those that the user allows or silences.
    ///
    /// What a task, job or command does is worth knowing, but nobody waits for it: it is never above
    /// [`Severity::Info`].
    pub fn inspect(&self, request: &Request) -> Vec<Finding> {
        let mut findings = Vec::new();
        let subject = Subject::new(request);
        for detector in &self.all {
            detector.inspect(&subject, &mut findings);
        }
        // Allowed ones go last: their queries explain a high number of queries all the same.
        findings.retain(|finding| {
            let allowed = |(name, allow): &(&str, Allow)| {
                *name == finding.cause.detector && allow.allows(request, finding)
            };
            !self.allow.iter().any(allowed) && !is_silenced(request, finding)
        });
        self.rate(&mut findings);
        if request.kind == Kind::Task {
            for finding in &mut findings {
                finding.severity = Severity::Info;
            }
        }
        findings
    }
}

/// Whether a comment of the accused statement names the detector. Where a request is accused, that of any of its
/// statements does, if it names this detector and not just all of them.
fn is_silenced(request: &Request, finding: &Finding) -> bool {
    let name = finding.cause.detector;
    match finding.cause.fingerprint {
        Some(accused) => (request.group(accused)).is_some_and(|group| group.silences(name)),
        None => request.groups.iter().any(|group| group.names(name)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
