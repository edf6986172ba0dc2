//! # What it finds
//!
//! A server that runs out of connections:
//!
//! - It refuses a client for lack of one (SQLSTATE 53300); that is critical.
//! - `used_percent` of its `max_connections` are open through pgscope, where that number is known.
//! - Of at least `min_connections` new connections in a minute, one in twenty took `slow_setup` or longer to be let in.
//!
//! # Why it hurts
//!
//! A request that gets no connection fails with `OperationalError: FATAL: sorry, too many clients already`. Before that,
//! each connection costs memory of the server, and new ones wait.
//!
//! # Example
//!
//! ```python
//! # 8 pods of 25 threads: 200 connections, and the server has 100
//!
//! DATABASES = {"default": {"OPTIONS": {"pool": {"min_size": 2, "max_size": 8}}}}    # 8 pods: 64 connections
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `used_percent` | `80` | of `max_connections` are open |
//! | `slow_setup` | `"500ms"` | to be let in takes too long |
//! | `min_connections` | `20` | new connections in a minute before it judges their time |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | nothing: it accuses a deployment; turn it off instead |
//!
//! # When it is wrong
//!
//! Connections that do not pass this pgscope are not counted. A role or a database may have a limit of its own
//! (`CONNECTION LIMIT`), which is refused with the same SQLSTATE. Opening may be slow for other reasons: TLS far away, a
//! directory service that is asked for each password, a server without a free CPU.

use super::monitor::{self, Monitor, Observed, Pace, What, check_least, check_percent, is_share};
use super::{Allow, Finding, Severity};
use crate::session::At;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "pool_pressure";

/// Time over which new connections are counted.
const WINDOW: u64 = 60_000_000_000;
/// So many of the new connections may be slow: the 95th percentile.
const SLOW_PERCENT: u32 = 5;
/// `too_many_connections`.
const TOO_MANY: &[u8; 5] = b"53300";
/// What to write.
const FIX: &str = "OPTIONS = {\"pool\": {\"max_size\": …}} (psycopg 3, Django 5.1 or later) or PgBouncer, so that all \
                   processes together stay below max_connections";

/// Settings of `[detectors.pool_pressure]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Share of `max_connections` that is too much, per cent.
    pub used_percent: u32,
    /// Time to be let in that is too long; above 0.
    pub slow_setup: Period,
    /// New connections in a minute before it judges their time; at least 10.
    pub min_connections: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// Must be empty.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            used_percent: 80,
            slow_setup: Period::millis(500),
            min_connections: 20,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_percent(NAME, "used_percent", self.used_percent)?;
        check_least(NAME, "min_connections", self.min_connections, 10)?;
        if self.slow_setup.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.slow_setup = \"{}\": every connection would be slow; write \"500ms\"",
                self.slow_setup
            ));
        }
        self.allow.refuse_all(NAME)
    }
}

/// New connections of the last minute.
#[derive(Debug, Default)]
struct Window {
    since: At,
    opened: u32,
    slow: u32,
    over: u64,
}

/// Finds a server without connections to give. Keeps a handful of numbers.
pub(super) struct PoolPressure {
    settings: Settings,
    max_connections: Option<u32>,
    refused: u32,
    window: Window,
    /// One each for those refused, the share and the time: a worse one need not wait.
    paces: [Pace; 3],
}

impl PoolPressure {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            max_connections: None,
            refused: 0,
            window: Window::default(),
            paces: [Pace::default(); 3],
        }
    }

    fn opened(&mut self, seen: &Observed<'_>, setup: u64, findings: &mut Vec<Finding>) {
        if let Some(max) = self.max_connections
            && is_share(
                u64::from(seen.open),
                u64::from(max),
                self.settings.used_percent,
            )
            && self.paces[1].is_due(seen.at)
        {
            findings.push(monitor::finding(NAME, Severity::Warning, FIX, seen.open, 0));
        }
        let window = &mut self.window;
        if seen.at.since(window.since) > WINDOW {
            *window = Window {
                since: seen.at,
                ..Window::default()
            };
        }
        let threshold = self.settings.slow_setup.nanos();
        window.opened = window.opened.saturating_add(1);
        window.slow += u32::from(setup >= threshold);
        window.over += setup.saturating_sub(threshold);
        if window.opened >= self.settings.min_connections
            && is_share(
                u64::from(window.slow),
                u64::from(window.opened),
                SLOW_PERCENT,
            )
            && window.slow > 1
            && self.paces[2].is_due(seen.at)
        {
            findings.push(monitor::finding(
                NAME,
                Severity::Warning,
                FIX,
                window.slow,
                window.over,
            ));
            *window = Window::default();
        }
    }
}

impl Monitor for PoolPressure {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        match seen.what {
            What::Refused(state) if state.0 == *TOO_MANY => {
                self.refused = self.refused.saturating_add(1);
                if self.paces[0].is_due(seen.at) {
                    let refused = std::mem::take(&mut self.refused);
                    findings.push(monitor::finding(NAME, Severity::Critical, FIX, refused, 0));
                }
            }
            What::MaxConnections(max) => self.max_connections = Some(max).filter(|max| *max > 0),
            What::Opened(setup) => self.opened(seen, setup, findings),
            _ => {}
        }
    }
}
