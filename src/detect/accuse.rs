//! What findings about one statement have in common.

use super::{Cause, Evidence, Finding, Severity};
use crate::request::{Entry, Group, Request};
use crate::sql::Statement;

/// A finding that accuses a statement: a warning, measured, for the detector to fill in.
pub(super) fn statement(
    detector: &'static str,
    request: &Request,
    statement: &Statement,
    fix: String,
) -> Finding {
    let mut finding = everywhere(detector, statement, fix);
    finding.cause.route = request.route.clone();
    finding
}

/// A finding that accuses a statement on whatever route: a warning, measured, for the detector to fill in.
pub(super) fn everywhere(detector: &'static str, statement: &Statement, fix: String) -> Finding {
    Finding {
        cause: Cause {
            detector,
            route: "-".into(),
            parent: None,
            fingerprint: Some(statement.fingerprint),
        },
        severity: Severity::Warning,
        evidence: Evidence::Measured,
        kind: "",
        parent: String::new(),
        relation: String::new(),
        fix,
        query: statement.text.clone(),
        count: 1,
        wasted_seconds: 0.0,
    }
}

/// Whether a detector has accused this statement already.
pub(super) fn is_accused(findings: &[Finding], detector: &str, statement: &Statement) -> bool {
    findings.iter().any(|finding| {
        finding.cause.detector == detector
            && finding.cause.fingerprint == Some(statement.fingerprint)
    })
}

/// The queries of one statement that exceed a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excess {
    /// Index of the statement's group.
    pub group: usize,
    /// Such queries.
    pub calls: u32,
    /// Their time, ns.
    pub nanos: u64,
    /// The largest of what they were measured by.
    pub most: u64,
}

/// Gathers what exceeds a limit, statement by statement. `measure` is asked of each query in order: by how much it counts,
/// where it does.
/// Allocates nothing where none does.
pub(super) fn exceeding(
    request: &Request,
    mut measure: impl FnMut(&Group, &Entry) -> Option<u64>,
) -> Vec<Excess> {
    let mut found: Vec<Excess> = Vec::new();
    for entry in request.entries.iter().filter(|entry| !entry.failed) {
        let index = usize::from(entry.group);
        let Some(group) = request.groups.get(index) else {
            continue;
        };
        let Some(most) = measure(group, entry) else {
            continue;
        };
        match found.iter_mut().rev().find(|known| known.group == index) {
            Some(known) => {
                known.calls += 1;
                known.nanos += entry.nanos;
                known.most = known.most.max(most);
            }
            None => found.push(Excess {
                group: index,
                calls: 1,
                nanos: entry.nanos,
                most,
            }),
        }
    }
    found
}

/// Time of a statement's queries, ns, as far as the client did not keep their results from being delivered.
pub(super) fn nanos(group: &Group) -> u64 {
    (group.nanos).min(group.max_nanos.saturating_mul(group.calls.into()))
}

/// `on the query that reads lib_book`.
pub(super) fn on(statement: &Statement) -> String {
    format!(" on the query that reads {}", statement.facts.table)
}
