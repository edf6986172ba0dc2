//! A finding as reports have it, from the API of a running proxy or from this process.

use crate::stats::FindingEntry;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// One cause. Keys that this version does not know are ignored: the proxy may be newer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    pub detector: String,
    pub kind: String,
    pub severity: String,
    pub evidence: String,
    pub route: String,
    pub boundary: String,
    /// The accused statement, or empty.
    pub fingerprint: String,
    pub parent: String,
    /// The parent statement, or empty.
    pub parent_fingerprint: String,
    pub relation: String,
    /// `app/views.py:42`, or empty.
    pub callsite: String,
    pub query: Option<String>,
    pub fix: String,
    /// Queries concerned, all requests together.
    pub count: u64,
    /// Requests in which it was found.
    pub requests: u64,
    pub wasted_seconds: f64,
}

impl From<&FindingEntry> for Finding {
    fn from(entry: &FindingEntry) -> Self {
        let hex = |fingerprint: Option<_>| {
            fingerprint.map_or_else(String::new, |f: crate::sql::Fingerprint| f.to_string())
        };
        Self {
            detector: entry.detector.into(),
            kind: entry.kind.into(),
            severity: entry.severity.as_str().into(),
            evidence: entry.evidence.as_str().into(),
            route: entry.route.to_string(),
            boundary: entry.boundary.as_str().into(),
            fingerprint: hex(entry.fingerprint),
            parent: entry.parent.to_string(),
            parent_fingerprint: hex(entry.parent_fingerprint),
            relation: entry.relation.to_string(),
            callsite: entry.callsite.to_string(),
            query: Some(entry.query.to_string()),
            fix: entry.fix.to_string(),
            count: entry.count,
            requests: entry.requests,
            wasted_seconds: entry.wasted_seconds,
        }
    }
}

impl Finding {
    /// `n_plus_one/forward_fk`, or the detector alone.
    pub fn name(&self) -> String {
        if self.kind.is_empty() {
            self.detector.clone()
        } else {
            format!("{}/{}", self.detector, self.kind)
        }
    }

    /// 0 is the worst.
    pub fn rank(&self) -> u8 {
        match self.severity.as_str() {
            "critical" => 0,
            "warning" => 1,
            _ => 2,
        }
    }

    /// Worst first, then what cost most.
    pub fn order(&self, other: &Self) -> Ordering {
        let dearer = other.wasted_seconds.total_cmp(&self.wasted_seconds);
        let more = || other.count.cmp(&self.count);
        self.rank()
            .cmp(&other.rank())
            .then(dearer)
            .then_with(more)
            .then_with(|| self.route.cmp(&other.route))
    }
}
