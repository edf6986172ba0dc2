//! # What it finds
//!
//! Requests with more than `info`, `warning` or `critical` queries. It is silent where the loops and duplicates reported for
//! the same request explain the number.
//!
//! # Why it hurts
//!
//! Each query is a round trip: a request with many of them is slow even where each one is fast.
//!
//! # Example
//!
//! ```python
//! def dashboard(request):                            # 40 widgets, a query each
//!     return render(request, "dashboard.html", {w.name: w.load() for w in WIDGETS})
//!
//! cache.get_or_set("dashboard", load_widgets, 60)    # once a minute
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `info` | `10` | more queries than this are worth knowing |
//! | `warning` | `30` | more than this are a mistake |
//! | `critical` | `100` | more than this hurt |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `routes` only, since it accuses a request and not a statement |
//!
//! # When it is wrong
//!
//! Some pages need many different queries: allow their route, or raise the numbers. Tasks and commands are left out, and so are
//! requests whose limits are a guess.

use super::{
    Allow, Cause, Detector, Evidence, Finding, Severity, Subject, duplicate_query, n_plus_one,
};
use super::{delete_loop, get_or_create_loop, insert_loop, m2m_add_loop, update_loop};
use crate::request::{Confidence, Kind};

/// Name of the detector.
pub(super) const NAME: &str = "request_query_count";

/// Settings of `[detectors.request_query_count]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Queries above which a request is worth knowing.
    pub info: u32,
    /// Queries above which it is a mistake; at least `info`.
    pub warning: u32,
    /// Queries above which it hurts; at least `warning`.
    pub critical: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            info: 10,
            warning: 30,
            critical: 100,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.info == 0 {
            return Err(format!(
                "detectors.{NAME}.info = 0: every request has a query; write 1 or more"
            ));
        }
        for (key, value, below, least) in [
            ("warning", self.warning, "info", self.info),
            ("critical", self.critical, "warning", self.warning),
        ] {
            if value < least {
                return Err(format!(
                    "detectors.{NAME}.{key} = {value}: less than {below}; write {least} or more"
                ));
            }
        }
        self.allow.only_routes(NAME)
    }
}

/// Finds requests with many queries.
pub(super) struct RequestQueryCount {
    settings: Settings,
}

impl RequestQueryCount {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn severity(&self, queries: u32) -> Option<Severity> {
        if queries > self.settings.critical {
            Some(Severity::Critical)
        } else if queries > self.settings.warning {
            Some(Severity::Warning)
        } else if queries > self.settings.info {
            Some(Severity::Info)
        } else {
            None
        }
    }
}

impl Detector for RequestQueryCount {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        if request.kind == Kind::Task || request.boundary.confidence() < Confidence::Medium {
            return;
        }
        let Some(severity) = self.severity(request.queries) else {
            return;
        };
        let reported = [
            n_plus_one::NAME,
            duplicate_query::NAME,
            get_or_create_loop::NAME,
            insert_loop::NAME,
            update_loop::NAME,
            delete_loop::NAME,
            m2m_add_loop::NAME,
        ];
        let explained = (findings.iter())
            .filter(|finding| reported.contains(&finding.cause.detector))
            .fold(0u32, |sum, finding| sum.saturating_add(finding.count));
        if request.queries.saturating_sub(explained) <= self.settings.info {
            return;
        }
        let most = request.groups.iter().reduce(|most, group| {
            if group.calls > most.calls {
                group
            } else {
                most
            }
        });
        let statement = most.map(|group| &*group.statement);
        let query = statement.map_or_else(Default::default, |statement| statement.text.clone());
        let table = statement.map_or("", |statement| statement.facts.table.as_str());
        let verb = query.split_whitespace().next().unwrap_or("a statement");
        let named = if table.is_empty() {
            verb.to_owned()
        } else {
            format!("{verb} of {table}")
        };
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: None,
            },
            severity,
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: format!(
                "fetch together with select_related() and prefetch_related(), or cache.get_or_set(…); most queries \
                 are: {named}"
            ),
            query,
            count: request.queries,
            wasted_seconds: 0.0,
        });
    }
}
