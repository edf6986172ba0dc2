//! # What it finds
//!
//! Connections that are kept open and never used again: of at least `min_connections` that ended, `idle_percent` had served
//! one request, waited idle for `idle` or longer and were then closed by the client; less than 5 % had served a second one,
//! and `min_open` were open at the same time.
//!
//! # Why it hurts
//!
//! Under ASGI each request has a context of its own and with it a connection of its own. With `CONN_MAX_AGE` above 0 Django
//! keeps it open, but no later request ever finds it: it takes one of the server's connections until it is collected as
//! garbage.
//!
//! # Example
//!
//! ```python
//! DATABASES = {"default": {"CONN_MAX_AGE": 600}}                    # under uvicorn or daphne
//!
//! DATABASES = {"default": {"OPTIONS": {"pool": True}}}              # psycopg 3, Django 5.1
//! DATABASES = {"default": {"CONN_MAX_AGE": 0}}                      # otherwise
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_connections` | `50` | connections that ended before it judges |
//! | `idle_percent` | `80` | of them served one request and then waited |
//! | `idle` | `"30s"` | so long at least |
//! | `min_open` | `5` | connections open at the same time |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | nothing: it accuses a deployment; turn it off instead |
//!
//! # When it is wrong
//!
//! A WSGI app with many threads and hardly any visitors looks alike. Connections are judged when they end: those that stay open
//! for good are not seen, and those that are collected sooner are found by `connection_churn`.

use super::connection_churn::LINGERS;
use super::monitor::{
    self, Monitor, Observed, Pace, PerClass, What, check_least, check_percent, is_share,
};
use super::{Allow, Finding, Severity};
use crate::session::At;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "asgi_persistent_connections";

/// Connections that ended longer ago say nothing of the present.
const WINDOW: u64 = 3_600_000_000_000;
/// Share of connections with a second request from which they are used again after all.
const REUSED_PERCENT: u32 = 5;
/// What to write.
const FIX: &str =
    "under ASGI: CONN_MAX_AGE = 0, or OPTIONS = {\"pool\": True} (psycopg 3, Django 5.1 or later)";

/// Settings of `[detectors.asgi_persistent_connections]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Connections that ended before it judges; at least 10.
    pub min_connections: u32,
    /// Share of them that served one request and waited, per cent.
    pub idle_percent: u32,
    /// How long they waited; above 0.
    pub idle: Period,
    /// Connections open at the same time; at least 1.
    pub min_open: u32,
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
            idle_percent: 80,
            idle: Period::secs(LINGERS / 1_000_000_000),
            min_open: 5,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "min_connections", self.min_connections, 10)?;
        check_percent(NAME, "idle_percent", self.idle_percent)?;
        check_least(NAME, "min_open", self.min_open, 1)?;
        if self.idle.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.idle = \"{}\": every connection would wait; write \"30s\"",
                self.idle
            ));
        }
        self.allow.refuse_all(NAME)
    }
}

/// Connections of a class.
#[derive(Debug, Default)]
struct Window {
    since: At,
    ended: u32,
    idle: u32,
    reused: u32,
    /// Open now, as far as they were seen to open.
    open: u32,
    /// The most at the same time, since `since`.
    most_open: u32,
}

/// Finds connections that are kept in vain. Keeps six numbers a class.
pub(super) struct AsgiPersistentConnections {
    settings: Settings,
    classes: PerClass<Window>,
    pace: Pace,
}

impl AsgiPersistentConnections {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            classes: PerClass::default(),
            pace: Pace::default(),
        }
    }
}

impl Window {
    fn begin(&mut self, at: At) {
        *self = Self {
            since: at,
            open: self.open,
            most_open: self.open,
            ..Self::default()
        };
    }
}

impl Monitor for AsgiPersistentConnections {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let connection = match seen.what {
            What::Opened(_) => {
                let window = self.classes.get(seen.class);
                window.open = window.open.saturating_add(1);
                window.most_open = window.most_open.max(window.open);
                return;
            }
            What::Closed(connection) => connection,
            _ => return,
        };
        let settings = &self.settings;
        let window = self.classes.get(seen.class);
        if seen.at.since(window.since) > WINDOW {
            window.begin(seen.at);
        }
        window.open = window.open.saturating_sub(1);
        if connection.requests == 0 {
            return;
        }
        let waited = seen.at.since(connection.last_ready) >= settings.idle.nanos();
        let idle = connection.requests == 1 && waited && !connection.lost;
        window.ended += 1;
        window.idle += u32::from(idle);
        window.reused += u32::from(connection.requests > 1);
        if window.ended < settings.min_connections {
            return;
        }
        let (ended, in_vain) = (u64::from(window.ended), window.idle);
        let found = is_share(u64::from(in_vain), ended, settings.idle_percent)
            && !is_share(u64::from(window.reused), ended, REUSED_PERCENT)
            && window.most_open >= settings.min_open;
        window.begin(seen.at);
        if found && self.pace.is_due(seen.at) {
            findings.push(monitor::finding(NAME, Severity::Warning, FIX, in_vain, 0));
        }
    }
}
