//! # What it finds
//!
//! Requests that took `threshold` or longer from their first query to the end of their last, and where that time went:
//!
//! | kind | where the time went |
//! |---|---|
//! | `database` | 60 % or more of it to queries |
//! | `app` | 30 % or less of it to queries: the view, its serializers, its templates |
//! | `mixed` | in between |
//! | `pause` | `pause` or longer at one place between two queries: perhaps a call to another service |
//!
//! It is silent where loops, duplicates and slow queries that are reported for the same request explain half of the time.
//!
//! # Why it hurts
//!
//! A user waits, a worker is taken, and the connection is held all the while.
//!
//! # Example
//!
//! ```python
//! def checkout(request):
//!     order = Order.objects.get(pk=request.POST["order"])
//!     payment = requests.post(PROVIDER, …)              # a second, with a connection in hand
//!     order.pay(payment)
//!
//! transaction.on_commit(lambda: pay.delay(order.pk))    # a task
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"500ms"` | slow from this duration |
//! | `critical` | `"5s"` | critical from this duration |
//! | `pause` | `"1s"` | a time between two queries that is named |
//! | `longest` | `"1m"` | what takes longer is no request, but a job that does not say so |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `routes` only, since it accuses a request and not a statement |
//!
//! # When it is wrong
//!
//! What comes before the first query and after the last is not on the wire, so that a request may be slower than it looks. Jobs
//! and commands without a comment look like requests: allow their route. Requests with a cursor have no `pause`, and requests
//! whose limits are a guess are left out, and so is what makes or migrates a database.

use super::guards::is_migration;
use super::{
    Allow, Cause, Detector, Evidence, Finding, Severity, Subject, accuse, duplicate_query,
    n_plus_one, slow_query,
};
use crate::request::{Confidence, Group, Kind, Request};
use crate::sql::{Statement, Verb};
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "slow_request";

/// Percent of the time from which it is the database's, and up to which it is the app's.
const DATABASE: u64 = 60;
const APP: u64 = 30;

/// Settings of `[detectors.slow_request]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Duration from which a request is slow; above 0.
    pub threshold: Period,
    /// Duration from which the finding is critical; at least `threshold`.
    pub critical: Period,
    /// A time between two queries that is named; above 0.
    pub pause: Period,
    /// What takes longer is no request; at least `critical`.
    pub longest: Period,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: Period::millis(500),
            critical: Period::secs(5),
            pause: Period::secs(1),
            longest: Period::secs(60),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        for (key, value, instead) in [
            ("threshold", self.threshold, "500ms"),
            ("pause", self.pause, "1s"),
        ] {
            if value.nanos() == 0 {
                return Err(format!(
                    "detectors.{NAME}.{key} = \"{value}\": every request would have it; write \"{instead}\""
                ));
            }
        }
        for (key, value, below, least) in [
            ("critical", self.critical, "threshold", self.threshold),
            ("longest", self.longest, "critical", self.critical),
        ] {
            if value < least {
                return Err(format!(
                    "detectors.{NAME}.{key} = \"{value}\": less than {below}; write \"{least}\" or more"
                ));
            }
        }
        if !self.allow.tables.is_empty() || !self.allow.fingerprints.is_empty() {
            return Err(format!(
                "detectors.{NAME}.allow: it accuses requests, not statements; write routes"
            ));
        }
        Ok(())
    }
}

/// Finds requests that take long.
pub(super) struct SlowRequest {
    settings: Settings,
}

impl SlowRequest {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The query that followed the longest pause, where there is one.
    fn paused_before<'a>(&self, request: &'a Request) -> Option<&'a Statement> {
        let is_cursor = |group: &Group| group.statement.facts.verb == Verb::Declare;
        if request.groups.iter().any(is_cursor) {
            return None;
        }
        let mut ended = request.opened.0;
        let mut longest = (self.settings.pause.nanos(), None);
        for entry in &request.entries {
            let pause = entry.started.0.saturating_sub(ended);
            if pause >= longest.0 {
                longest = (pause, request.groups.get(usize::from(entry.group)));
            }
            ended = ended.max(entry.started.0.saturating_add(entry.nanos));
        }
        longest.1.map(|group| &*group.statement)
    }
}

/// `SELECT of lib_book`.
fn named(statement: &Statement) -> String {
    let verb = statement.text.split_whitespace().next();
    let verb = verb.unwrap_or("a statement");
    match statement.facts.table.as_str() {
        "" => verb.to_owned(),
        table => format!("{verb} of {table}"),
    }
}

/// Half of the time is that of mistakes which are reported already.
fn is_explained(findings: &[Finding], nanos: u64) -> bool {
    let reported = [n_plus_one::NAME, duplicate_query::NAME, slow_query::NAME];
    let explained: f64 = (findings.iter())
        .filter(|finding| reported.contains(&finding.cause.detector))
        .map(|finding| finding.wasted_seconds)
        .sum();
    explained * 2e9 >= nanos as f64
}

impl Detector for SlowRequest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let nanos = request.closed.since(request.opened);
        let slow =
            nanos >= self.settings.threshold.nanos() && nanos <= self.settings.longest.nanos();
        if !slow
            || request.kind == Kind::Task
            || request.boundary.confidence() < Confidence::Medium
            || is_explained(findings, nanos)
            || is_migration(request)
        {
            return;
        }
        let database: u64 = request.groups.iter().map(accuse::nanos).sum();
        let longest = request
            .groups
            .iter()
            .max_by_key(|group| accuse::nanos(group));
        let Some(longest) = longest.map(|group| &group.statement) else {
            return;
        };
        let percent = database.saturating_mul(100) / nanos.max(1);
        let (kind, fix) = if let Some(after) = self.paused_before(request) {
            (
                "pause",
                format!(
                    "a call to another service belongs in a task (transaction.on_commit, Celery) or before the first query; \
                     the request pauses before: {}",
                    named(after)
                ),
            )
        } else if percent >= DATABASE {
            (
                "database",
                format!(
                    "fewer or faster queries, or cache.get_or_set(…); the most time takes: {}",
                    named(longest)
                ),
            )
        } else if percent <= APP {
            (
                "app",
                "profile the view, its serializers and templates: little of its time goes to queries"
                    .to_owned(),
            )
        } else {
            (
                "mixed",
                format!(
                    "profile the view, its serializers and templates; of the queries the most time takes: {}",
                    named(longest)
                ),
            )
        };
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: None,
            },
            severity: if nanos >= self.settings.critical.nanos() {
                Severity::Critical
            } else {
                Severity::Warning
            },
            evidence: Evidence::Measured,
            kind,
            parent: String::new(),
            relation: String::new(),
            fix,
            query: longest.text.clone(),
            count: request.queries,
            wasted_seconds: nanos.saturating_sub(self.settings.threshold.nanos()) as f64 / 1e9,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::request::Boundary;

    fn slow(scenario: Scenario) -> Vec<(&'static str, Severity)> {
        (scenario.ended().findings().iter())
            .filter(|finding| finding.cause.detector == NAME)
            .map(|finding| (finding.kind, finding.severity))
            .collect()
    }

    /// Ten queries of so many milliseconds, and as much again in the app before each.
    fn page(query: u64, app: u64) -> Scenario {
        (0..10).fold(Scenario::new(), |page, table| {
            page.wait(app)
                .took(get(&format!("lib_t{table}")), 1, 1, query)
        })
    }

    #[test]
    fn where_the_time_went() {
        for (query, app, kind) in [(60, 0, "database"), (5, 60, "app"), (40, 40, "mixed")] {
            assert_eq!(slow(page(query, app)), [(kind, Severity::Warning)]);
        }
        assert_eq!(slow(page(90, 600)), [("app", Severity::Critical)]);
        let external = Scenario::new()
            .run(get("shop_order"), 1, 1)
            .wait(1_200)
            .run(update("shop_order"), 2, 1);
        let found = external.ended().findings();
        assert_eq!((found[0].cause.detector, found[0].kind), (NAME, "pause"));
        assert!(
            found[0]
                .fix
                .ends_with("pauses before: UPDATE of shop_order"),
            "{}",
            found[0].fix
        );
    }

    /// A quick one, a task, one whose limits are a guess, and one that takes longer than any request.
    #[test]
    fn what_may_take_its_time() {
        assert_eq!(slow(page(20, 20)), []);
        assert_eq!(slow(page(60, 0).task()), []);
        assert_eq!(slow(page(60, 0).boundary(Boundary::Gap)), []);
        assert_eq!(slow(page(60, 7_000)), []);
        let migrate = page(60, 0).run(list("django_migrations", &["id"]), 1, 1);
        assert_eq!(slow(migrate), []);
        // The database of a test run is made before any migration of it is noted.
        assert_eq!(
            slow(Scenario::new().took(create("test_shop"), 1, 0, 600)),
            []
        );
    }

    #[test]
    fn a_slow_query_explains_it() {
        assert_eq!(slow(Scenario::new().took(get("lib_book"), 1, 1, 900)), []);
    }
}
