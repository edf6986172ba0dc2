//! # What it finds
//!
//! A persistent connection without health checks that the server had closed (restart, failover, a timeout on the way): it
//! ended with SQLSTATE 57P01 or its kin, or without the answer that was owed. It is worth knowing.
//!
//! # Why it hurts
//!
//! Django learns only from the next query that the connection is gone: the request fails with `OperationalError: the
//! connection is closed`, once for each connection that was open. With health checks it connects again first.
//!
//! # Example
//!
//! ```python
//! DATABASES = {"default": {"CONN_MAX_AGE": 600}}
//!
//! DATABASES = {"default": {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}}
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | nothing: it accuses a deployment; turn it off instead |
//!
//! # When it is wrong
//!
//! A connection that is lost in the middle of a request is not saved by a check at its start. A worker that catches the error
//! and connects again by itself needs no check.

use super::monitor::{self, Monitor, Observed, Pace, What};
use super::{Allow, Finding, Severity};
use crate::request::Usage;

/// Name of the detector.
pub(super) const NAME: &str = "no_health_checks";

/// What to write.
const FIX: &str =
    "CONN_HEALTH_CHECKS = True beside CONN_MAX_AGE; pgscope then tells requests apart by them, too";

/// Settings of `[detectors.no_health_checks]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// Must be empty.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        self.allow.refuse_all(NAME)
    }
}

/// Finds persistent connections that nobody checks. Keeps two numbers.
pub(super) struct NoHealthChecks {
    lost: u32,
    pace: Pace,
}

impl NoHealthChecks {
    pub(super) fn new(_: Settings) -> Self {
        Self {
            lost: 0,
            pace: Pace::default(),
        }
    }
}

impl Monitor for NoHealthChecks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Closed(connection) = seen.what else {
            return;
        };
        // Its first request would have met a fresh connection.
        if !connection.lost
            || connection.requests == 0
            || connection.probes > 0
            || seen.usage != Usage::Persistent
            || seen.announced.is_some()
        {
            return;
        }
        self.lost = self.lost.saturating_add(1);
        if self.pace.is_due(seen.at) {
            let lost = std::mem::take(&mut self.lost);
            findings.push(monitor::finding(NAME, Severity::Info, FIX, lost, 0));
        }
    }
}
