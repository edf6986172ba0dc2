//! # What it finds
//!
//! Of at least `min_requests` requests of a class of clients, what sessions cost; both are worth knowing.
//!
//! | kind | |
//! |---|---|
//! | `reads` | `read_percent` of them read the session and its user from the database |
//! | `writes` | `write_percent` of them write the session |
//!
//! # Why it hurts
//!
//! Two queries before a view does anything, on each page: often they are most of what the database is asked for. Writing the
//! session as well is a transaction, and a row lock, for each request.
//!
//! # Example
//!
//! ```python
//! SESSION_SAVE_EVERY_REQUEST = True                                        # an UPDATE for each request
//!
//! SESSION_SAVE_EVERY_REQUEST = False                                       # Django's default
//! SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"            # read from the cache
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_requests` | `100` | requests before it judges |
//! | `read_percent` | `80` | of them read session and user |
//! | `write_percent` | `50` | of them write the session |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `fingerprints` of the session's statements |
//!
//! # When it is wrong
//!
//! A cache needs a server of its own. A view may have to write to the session each time: a basket, a step of a form. Only
//! `django.contrib.sessions` is known, and only where the limits of requests are at least fairly sure.

use super::monitor::{
    Monitor, Observed, Pace, PerClass, What, check_least, check_percent, is_share,
};
use super::{Allow, Cause, Evidence, Finding, Severity};
use crate::request::{Confidence, Group, Kind, Request};
use crate::sql::Verb;

/// Name of the detector.
pub(super) const NAME: &str = "session_overhead";

/// Where Django keeps sessions.
const TABLE: &str = "django_session";

/// Settings of `[detectors.session_overhead]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Requests before it judges; at least 20.
    pub min_requests: u32,
    /// Share of requests that read session and user, per cent.
    pub read_percent: u32,
    /// Share of requests that write the session, per cent.
    pub write_percent: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_requests: 100,
            read_percent: 80,
            write_percent: 50,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "min_requests", self.min_requests, 20)?;
        check_percent(NAME, "read_percent", self.read_percent)?;
        check_percent(NAME, "write_percent", self.write_percent)?;
        if !self.allow.tables.is_empty() || !self.allow.routes.is_empty() {
            return Err(format!(
                "detectors.{NAME}.allow: it accuses the statements of the session, on no route; write fingerprints"
            ));
        }
        Ok(())
    }
}

/// Requests of a class.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    requests: u32,
    reads: u32,
    read_nanos: u64,
    writes: u32,
    write_nanos: u64,
}

/// Finds what sessions cost. Keeps five numbers a class.
pub(super) struct SessionOverhead {
    settings: Settings,
    classes: PerClass<Window>,
    reads: Pace,
    writes: Pace,
}

/// The statements of a request about its session and its user.
#[derive(Default)]
struct Parts<'a> {
    read: Option<&'a Group>,
    write: Option<&'a Group>,
    user: Option<&'a Group>,
}

impl<'a> Parts<'a> {
    fn of(request: &'a Request) -> Self {
        let mut parts = Self::default();
        for group in &request.groups {
            let facts = &group.statement.facts;
            let by = |name: &str| facts.equalities.iter().any(|column| column.name == name);
            if facts.table == TABLE && by("session_key") {
                match facts.verb {
                    Verb::Select => parts.read = Some(group),
                    Verb::Update => parts.write = Some(group),
                    _ => {}
                }
            } else if facts.verb == Verb::Select && facts.tables.len() == 1 && by("id") {
                // The user's model may be the project's own: its name ends in `user` by custom.
                let user = facts.table.ends_with("_user") || facts.table.ends_with("_customuser");
                if user && parts.user.is_none() {
                    parts.user = Some(group);
                }
            }
        }
        parts
    }
}

impl SessionOverhead {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            classes: PerClass::default(),
            reads: Pace::default(),
            writes: Pace::default(),
        }
    }
}

fn finding(group: &Group, kind: &'static str, fix: &str, count: u32, nanos: u64) -> Finding {
    Finding {
        cause: Cause {
            detector: NAME,
            route: "-".into(),
            parent: None,
            fingerprint: Some(group.statement.fingerprint),
        },
        severity: Severity::Info,
        evidence: Evidence::Measured,
        kind,
        parent: String::new(),
        relation: String::new(),
        fix: fix.to_owned(),
        query: group.statement.text.clone(),
        count,
        wasted_seconds: nanos as f64 / 1e9,
    }
}

impl Monitor for SessionOverhead {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Request(request) = seen.what else {
            return;
        };
        if request.boundary.confidence() < Confidence::Medium || request.kind == Kind::Task {
            return;
        }
        let parts = Parts::of(request);
        let window = self.classes.get(seen.class);
        window.requests = window.requests.saturating_add(1);
        if let (Some(session), Some(user)) = (parts.read, parts.user) {
            window.reads += 1;
            window.read_nanos += session.nanos + user.nanos;
        }
        if let Some(session) = parts.write {
            window.writes += 1;
            window.write_nanos += session.nanos;
        }
        let settings = &self.settings;
        if window.requests < settings.min_requests {
            return;
        }
        let many = u64::from(window.requests);
        let reads = is_share(u64::from(window.reads), many, settings.read_percent);
        let writes = is_share(u64::from(window.writes), many, settings.write_percent);
        // The statements to show are this request's: where it has none, the next one will.
        let waits = reads && parts.read.is_none() || writes && parts.write.is_none();
        if waits && window.requests < settings.min_requests.saturating_mul(2) {
            return;
        }
        let judged = std::mem::take(window);
        if let Some(group) = parts.read.filter(|_| reads && self.reads.is_due(seen.at)) {
            let fix = "SESSION_ENGINE = \"django.contrib.sessions.backends.cached_db\": sessions are read from the cache";
            findings.push(finding(
                group,
                "reads",
                fix,
                judged.reads,
                judged.read_nanos,
            ));
        }
        if let Some(group) = parts
            .write
            .filter(|_| writes && self.writes.is_due(seen.at))
        {
            let fix = "SESSION_SAVE_EVERY_REQUEST = False, and change request.session only where something new is to be kept";
            findings.push(finding(
                group,
                "writes",
                fix,
                judged.writes,
                judged.write_nanos,
            ));
        }
    }
}
