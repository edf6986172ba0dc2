//! # What it finds
//!
//! Transactions that took `threshold` or longer from BEGIN to their end, and those of `max_queries` queries or more.
//!
//! # Why it hurts
//!
//! What it has written stays locked until its end, and VACUUM cannot clean up what was deleted since its beginning. If it
//! fails, all of its work is lost.
//!
//! # Example
//!
//! ```python
//! with transaction.atomic():                                # one transaction for all
//!     for chunk in chunks:
//!         load(chunk)
//!
//! for chunk in chunks:                                      # one for each
//!     with transaction.atomic():
//!         load(chunk)
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"1s"` | a transaction is long from this duration |
//! | `critical` | `"10s"` | critical from this duration |
//! | `max_queries` | `100` | long from this number of queries |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `routes` only, since it accuses a transaction and not a statement |
//!
//! # When it is wrong
//!
//! Some work must be done whole or not at all. Migrations are left out. Time that `idle_in_transaction` reports and queries of
//! reported loops do not count again.

use super::guards::is_migration;
use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject, idle_in_transaction};
use crate::request::Transaction;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "long_transaction";

/// Settings of `[detectors.long_transaction]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Duration from which a transaction is long; above 0.
    pub threshold: Period,
    /// Duration from which the finding is critical; at least `threshold`.
    pub critical: Period,
    /// Queries from which a transaction is long; at least 2.
    pub max_queries: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: Period::secs(1),
            critical: Period::secs(10),
            max_queries: 100,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        super::validate_thresholds(NAME, self.threshold, self.critical, "1s")?;
        if self.max_queries < 2 {
            return Err(format!(
                "detectors.{NAME}.max_queries = {}: every transaction has a query; write 2 or more",
                self.max_queries
            ));
        }
        self.allow.only_routes(NAME)
    }
}

/// Finds long transactions.
pub(super) struct LongTransaction {
    settings: Settings,
}

impl LongTransaction {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Detector for LongTransaction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        if request.transactions.is_empty() {
            return;
        }
        let waits = |finding: &Finding| finding.cause.detector == idle_in_transaction::NAME;
        let idle_known = findings.iter().any(waits);
        let looped = (findings.iter())
            .filter(|finding| finding.cause.fingerprint.is_some())
            .fold(0u32, |sum, finding| sum.saturating_add(finding.count));
        let time = |block: &Transaction| {
            let whole = block.ended.since(block.began);
            whole.saturating_sub(if idle_known { block.idle } else { 0 })
        };
        let is_long = |block: &&Transaction| {
            time(block) >= self.settings.threshold.nanos()
                || block.queries.saturating_sub(looped) >= self.settings.max_queries
        };
        let long = || request.transactions.iter().filter(is_long);
        let Some(longest) = long().map(time).max() else {
            return;
        };
        if is_migration(request) {
            return;
        }
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: None,
            },
            severity: if longest >= self.settings.critical.nanos() {
                Severity::Critical
            } else {
                Severity::Warning
            },
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: "split transaction.atomic() into one for each part that must be whole, and read before it; with \
                  ATOMIC_REQUESTS, @transaction.non_atomic_requests on the view"
                .to_owned(),
            query: Default::default(),
            count: u32::try_from(long().count()).unwrap_or(u32::MAX),
            wasted_seconds: 0.0,
        });
    }
}
