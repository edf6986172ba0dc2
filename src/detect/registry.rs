//! The one list of detectors.

use super::{Allow, Detector, Finding, Monitor, Observed, Severity};
use super::{
    count_then_fetch, deep_offset, huge_in_list, large_result, non_sargable, random_order,
    repr_queryset, serializer_depth, slow_request, unbounded_select, wide_rows,
};
use super::{duplicate_query, n_plus_one, request_query_count, slow_query};
use crate::request::{Kind, Request};

/// A detector's line in the list.
pub struct Registration {
    /// Its name: the label value, the configuration section and the heading of its documentation.
    pub name: &'static str,
    /// What it finds, in a sentence.
    pub summary: &'static str,
    /// Builds it, where the settings enable it.
    build: fn(&Settings) -> Option<Built>,
    /// What its findings must not concern.
    allow: fn(&Settings) -> &Allow,
    /// Refuses impossible settings.
    validate: fn(&Settings) -> Result<(), String>,
    /// Its source, whose documentation is tested.
    #[cfg(test)]
    source: &'static str,
}

/// A detector of either kind.
enum Built {
    Detector(Box<dyn Detector>),
    Monitor(Box<dyn Monitor>),
}

macro_rules! detector {
    ($module:ident :: $detector:ident, $summary:literal) => {
        registration!($module, $detector, Detector, $summary)
    };
}

/// The same for a detector that watches a deployment.
#[allow(unused_macros)]
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
            validate: |settings| {
                let settings = &settings.$module;
                settings.validate()?;
                settings.allow.validate($module::NAME)
            },
            #[cfg(test)]
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
];

/// Configuration sections of all detectors, `[detectors.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Queries in loops.
    pub n_plus_one: n_plus_one::Settings,
    /// Equal queries.
    pub duplicate_query: duplicate_query::Settings,
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
    /// By detector name.
    allow: Vec<(&'static str, Allow)>,
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
            allow: (REGISTRY.iter())
                .map(|r| (r.name, (r.allow)(settings).clone()))
                .filter(|(_, allow)| *allow != Allow::default())
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
        findings
    }

    /// Findings of one request: at most one per cause, without those that the user allows.
    ///
    /// What a task, job or command does is worth knowing, but nobody waits for it: it is never above
    /// [`Severity::Info`].
    pub fn inspect(&self, request: &Request) -> Vec<Finding> {
        let mut findings = Vec::new();
        for detector in &self.all {
            detector.inspect(request, &mut findings);
        }
        // Allowed ones go last: their queries explain a high number of queries all the same.
        findings.retain(|finding| {
            let allowed = |(name, allow): &(&str, Allow)| {
                *name == finding.cause.detector && allow.allows(request, finding)
            };
            !self.allow.iter().any(allowed)
        });
        if request.kind == Kind::Task {
            for finding in &mut findings {
                finding.severity = Severity::Info;
            }
        }
        findings
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
