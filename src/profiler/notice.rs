//! What the detectors are told, and what becomes of their findings.

use super::Shared;
use crate::detect::{Detectors, Observed, What};
use crate::finding::{Cause, Finding};
use crate::request::{self, HealthChecks, Request, Sign};
use crate::session::{At, Outcome, Query, SqlState};
use crate::sql::Class as Whose;
use crate::stats::{FindingRow, Stats};

/// Counts a closed request and what the detectors find in it beyond what was reported while it was open.
pub(super) fn finish(
    request: &Request,
    stats: &mut Stats,
    detectors: &mut Detectors,
    reported: &mut Vec<Reported>,
    observed: Observed<'_>,
) {
    for finding in detectors.inspect(request) {
        report(&finding, request, reported, stats);
    }
    let mut names: Vec<&'static str> = reported.iter().map(|known| known.cause.detector).collect();
    names.sort_unstable();
    names.dedup();
    stats.request(request, &names);
    let what = What::Request(request);
    notice(
        Observed { what, ..observed },
        &request.database,
        stats,
        detectors,
    );
}

/// A finding of the open request as it was counted.
pub(super) struct Reported {
    cause: Cause,
    queries: u32,
    seconds: f64,
}

/// Counts a finding once for its request, and afterwards only what it has grown by.
pub(super) fn report(
    finding: &Finding,
    request: &Request,
    reported: &mut Vec<Reported>,
    stats: &mut Stats,
) {
    let row = FindingRow::new(finding, request);
    let (queries, seconds) = (finding.count, finding.wasted_seconds);
    match reported
        .iter_mut()
        .find(|known| known.cause == finding.cause)
    {
        Some(known) => {
            stats.finding_grew(
                &row,
                queries.saturating_sub(known.queries),
                seconds - known.seconds,
            );
            known.queries = known.queries.max(queries);
            known.seconds = known.seconds.max(seconds);
        }
        None => {
            stats.finding(&row);
            reported.push(Reported {
                cause: finding.cause.clone(),
                queries,
                seconds,
            });
        }
    }
}

/// The server ends the session: shutdown, restart, or idle for too long (class 57 of the manual's appendix A).
pub(super) fn ends_connection(sqlstate: SqlState) -> bool {
    matches!(&sqlstate.0, b"57P01" | b"57P02" | b"57P03" | b"57P05")
}

/// Tells the detectors that watch deployments.
pub(super) fn notice(
    observed: Observed<'_>,
    database: &str,
    stats: &mut Stats,
    detectors: &mut Detectors,
) {
    for finding in detectors.observe(&observed) {
        let mut row = FindingRow::of_deployment(&finding, database, observed.at);
        if let (What::Request(request), Some(accused)) = (observed.what, finding.cause.fingerprint)
        {
            row.callsite = request.callsite(accused);
        }
        stats.finding(&row);
    }
}

/// Tells them what happened on a connection of a class.
pub(super) fn tell(what: What<'_>, at: At, class: usize, database: &str, shared: &mut Shared) {
    let (stats, detectors, _, seen) = parts(shared, at, class);
    notice(Observed { what, ..seen }, database, stats, detectors);
}

/// What an event on a connection of a class is told to, the class, and what is seen of it but for what happened.
pub(super) fn parts(
    shared: &mut Shared,
    at: At,
    index: usize,
) -> (
    &mut Stats,
    &mut Detectors,
    &mut request::Class,
    Observed<'static>,
) {
    let open = u32::try_from(shared.sessions.len()).unwrap_or(u32::MAX);
    let class = shared.classes.get_mut(index);
    let seen = Observed {
        at,
        class: index,
        usage: class.usage(),
        announced: class.announces(),
        open,
        what: What::Opened(0),
    };
    (&mut shared.stats, &mut shared.detectors, class, seen)
}

/// Follows the health checks of a connection; returns how many have ended. `pause`: before this query, nanoseconds.
pub(super) fn health_checks(
    checks: &mut HealthChecks,
    query: &Query<'_>,
    whose: Whose,
    pause: u64,
    settings: &request::Settings,
) -> u64 {
    let sign = match (whose, query.outcome) {
        (_, Outcome::Empty) => Sign::Empty,
        _ if query.part.probe => Sign::Probe,
        _ if query.part.time_zone => Sign::Nothing,
        (Whose::Data | Whose::Cursor, Outcome::Error(state)) => {
            Sign::Data(!matches!(&state.0[..2], b"22" | b"23"))
        }
        (Whose::Data | Whose::Cursor, _) => Sign::Data(false),
        (Whose::Commit | Whose::Rollback, Outcome::Complete) => Sign::Ended,
        _ => Sign::Nothing,
    };
    checks.observe(sign, pause >= settings.gap.nanos())
}
