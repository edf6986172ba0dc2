//! # What it finds
//!
//! A class of clients that opens a connection for each request: of at least `min_connections` connections in five minutes,
//! `one_request_percent` served a single request and were closed soon after it, and either there are `per_minute` of them or
//! opening them took `setup_percent` of the time that they were used for. It is a warning where opening takes that share of
//! the time, and else worth knowing. Where opening takes less than 1 % (behind a pooler next door), it is silent.
//!
//! # Why it hurts
//!
//! Each connection costs a round trip or several, an authentication and a new process of the server, before the first query
//! can be sent. Django does that for each request unless told otherwise (`CONN_MAX_AGE = 0`).
//!
//! # Example
//!
//! ```python
//! DATABASES = {"default": {"CONN_MAX_AGE": 0}}                                   # Django's default
//!
//! DATABASES = {"default": {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}}      # WSGI
//! DATABASES = {"default": {"OPTIONS": {"pool": True}}}                           # ASGI; psycopg 3, Django 5.1
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_connections` | `50` | connections in five minutes before it judges |
//! | `one_request_percent` | `95` | of them served one request |
//! | `per_minute` | `30` | so many of them are too many |
//! | `setup_percent` | `5` | of the time is spent on opening them |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | nothing: it accuses a deployment; turn it off instead |
//!
//! # When it is wrong
//!
//! Whether WSGI or ASGI serves the requests is not on the wire: under ASGI, `CONN_MAX_AGE` must stay 0 and a pool is the
//! remedy. `runserver` opens a connection for each request by itself, and commands that run one after the other open one each.

use super::monitor::{
    self, Monitor, Observed, Pace, PerClass, What, check_least, check_percent, is_share,
};
use super::{Allow, Finding, Severity};
use crate::session::At;

/// Name of the detector.
pub(super) const NAME: &str = "connection_churn";

/// Longest time over which connections are counted.
const WINDOW: u64 = 300_000_000_000;
/// A connection that stays open for so long after its only request was meant to be kept: the mistake is another.
pub(super) const LINGERS: u64 = 30_000_000_000;
/// Share of the time below which nobody need care.
const NEGLIGIBLE_PERCENT: u32 = 1;
/// What to write.
const FIX: &str = "WSGI: CONN_MAX_AGE = 60 with CONN_HEALTH_CHECKS = True; ASGI: OPTIONS = {\"pool\": True} (psycopg 3, \
                   Django 5.1 or later), or PgBouncer";

/// Settings of `[detectors.connection_churn]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Connections in five minutes before it judges; at least 10.
    pub min_connections: u32,
    /// Share of connections that serve one request, per cent.
    pub one_request_percent: u32,
    /// Connections a minute that are too many; at least 1.
    pub per_minute: u32,
    /// Share of the time spent on opening connections, per cent.
    pub setup_percent: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// Must be empty.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_connections: 50,
            one_request_percent: 95,
            per_minute: 30,
            setup_percent: 5,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "min_connections", self.min_connections, 10)?;
        check_percent(NAME, "one_request_percent", self.one_request_percent)?;
        check_least(NAME, "per_minute", self.per_minute, 1)?;
        check_percent(NAME, "setup_percent", self.setup_percent)?;
        self.allow.refuse_all(NAME)
    }
}

/// Connections of a class that ended lately.
#[derive(Debug, Default)]
struct Window {
    since: At,
    connections: u32,
    single: u32,
    setup: u64,
    used: u64,
}

/// Finds a connection for each request. Keeps five numbers a class.
pub(super) struct ConnectionChurn {
    settings: Settings,
    classes: PerClass<Window>,
    pace: Pace,
}

impl ConnectionChurn {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            classes: PerClass::default(),
            pace: Pace::default(),
        }
    }
}

impl Monitor for ConnectionChurn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Closed(connection) = seen.what else {
            return;
        };
        // A health check or a look around is no request.
        if connection.requests == 0 {
            return;
        }
        let window = self.classes.get(seen.class);
        if window.connections == 0 || seen.at.since(window.since) > WINDOW {
            *window = Window {
                since: connection.opened,
                ..Window::default()
            };
        }
        let kept = seen.at.since(connection.last_ready) >= LINGERS;
        window.connections = window.connections.saturating_add(1);
        window.single += u32::from(connection.requests == 1 && !kept);
        window.setup += connection.ready.since(connection.opened);
        window.used += connection.last_ready.since(connection.opened);

        let settings = &self.settings;
        let many = window.connections;
        let is_single = is_share(
            u64::from(window.single),
            u64::from(many),
            settings.one_request_percent,
        );
        if many < settings.min_connections || !is_single {
            return;
        }
        let costly = is_share(window.setup, window.used, settings.setup_percent);
        let age = u128::from(seen.at.since(window.since));
        let often = u128::from(many) * 60_000_000_000 >= u128::from(settings.per_minute) * age;
        let cheap = !is_share(window.setup, window.used, NEGLIGIBLE_PERCENT);
        if !(costly || often && !cheap) || !self.pace.is_due(seen.at) {
            return;
        }
        let severity = if costly {
            Severity::Warning
        } else {
            Severity::Info
        };
        findings.push(monitor::finding(
            NAME,
            severity,
            FIX,
            window.single,
            window.setup,
        ));
        *window = Window::default();
    }
}
