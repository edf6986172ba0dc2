//! # What it finds
//!
//! `SELECT set_config('TimeZone', …)` at the start of `percent` of at least `min_connections` connections in five minutes, where
//! a connection serves fewer than ten requests. It is worth knowing.
//!
//! # Why it hurts
//!
//! Django compares the name of the time zone that the server announces with its own and, where they differ, sets it: one more
//! round trip on each new connection, before the first query. To Django, `Etc/UTC`, which many servers have by default, is
//! not `UTC`.
//!
//! # Example
//!
//! ```sql
//! -- postgresql.conf: timezone = 'Europe/Berlin'; settings.py: USE_TZ = True
//!
//! ALTER ROLE shop SET timezone TO 'UTC';
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_connections` | `20` | connections in five minutes before it judges |
//! | `percent` | `90` | of them set the time zone |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | nothing: it accuses a deployment; turn it off instead |
//!
//! # When it is wrong
//!
//! Other clients of the same role may need its time zone. With long-lived connections the round trip is not worth a word, nor
//! a finding.

use super::monitor::{
    self, Monitor, Observed, Pace, PerClass, What, check_least, check_percent, is_share,
};
use super::{Allow, Finding, Severity};
use crate::session::At;

/// Name of the detector.
pub(super) const NAME: &str = "timezone_round_trip";

/// Longest time over which connections are counted.
const WINDOW: u64 = 300_000_000_000;
/// Requests of a connection, on average, among which one round trip is lost.
const LONG_LIVED: u64 = 10;
/// What to write.
const FIX: &str = "ALTER ROLE … SET timezone TO 'UTC' (or what TIME_ZONE of the connection is), for the role that Django \
                   connects as";

/// Settings of `[detectors.timezone_round_trip]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Connections in five minutes before it judges; at least 10.
    pub min_connections: u32,
    /// Share of them that set the time zone, per cent.
    pub percent: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// Must be empty.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_connections: 20,
            percent: 90,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "min_connections", self.min_connections, 10)?;
        check_percent(NAME, "percent", self.percent)?;
        self.allow.refuse_all(NAME)
    }
}

/// Connections of a class that ended lately.
#[derive(Debug, Default)]
struct Window {
    since: At,
    connections: u32,
    set: u32,
    requests: u64,
}

/// Finds connections that begin with setting the time zone. Keeps four numbers a class.
pub(super) struct TimezoneRoundTrip {
    settings: Settings,
    classes: PerClass<Window>,
    pace: Pace,
}

impl TimezoneRoundTrip {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            classes: PerClass::default(),
            pace: Pace::default(),
        }
    }
}

impl Monitor for TimezoneRoundTrip {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Closed(connection) = seen.what else {
            return;
        };
        if connection.requests == 0 {
            return;
        }
        let window = self.classes.get(seen.class);
        if window.connections == 0 || seen.at.since(window.since) > WINDOW {
            *window = Window {
                since: seen.at,
                ..Window::default()
            };
        }
        window.connections = window.connections.saturating_add(1);
        window.set += u32::from(connection.sets_time_zone);
        window.requests += u64::from(connection.requests);
        let many = u64::from(window.connections);
        if window.connections < self.settings.min_connections
            || !is_share(u64::from(window.set), many, self.settings.percent)
            || window.requests >= many * LONG_LIVED
            || !self.pace.is_due(seen.at)
        {
            return;
        }
        findings.push(monitor::finding(NAME, Severity::Info, FIX, window.set, 0));
        *window = Window::default();
    }
}
