//! Detectors that watch a deployment over time rather than one request.

use super::Finding;
use crate::request::{Boundary, Request, Usage};
use crate::session::At;

/// What every such detector is. It keeps its state within fixed bounds, and time is an argument.
pub trait Monitor: Send {
    /// Its name: the metric label and the configuration section.
    fn name(&self) -> &'static str;
    /// Takes what was seen and pushes what follows from it. A finding that holds on is pushed again once an interval,
    /// see [`Pace`]; its route is `-`.
    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>);
}

/// Something that happened on a connection of a class of clients.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// When.
    pub at: At,
    /// The class, as [`crate::request::Classes::find`] numbers them.
    pub class: usize,
    /// How connections of the class are used, as far as is known.
    pub usage: Usage,
    /// The sign that announces requests of the class (a health check, a pool check, `DISCARD ALL`), if any does.
    pub announced: Option<Boundary>,
    /// What.
    pub what: What<'a>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// The server let a client in; nanoseconds since its connection was accepted.
    Opened(u64),
    /// A request was closed.
    Request(&'a Request),
    /// A connection ended.
    Closed(&'a Connection),
}

/// A connection that ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection {
    /// It was accepted.
    pub opened: At,
    /// The server let its client in.
    pub ready: At,
    /// Its last ReadyForQuery.
    pub last_ready: At,
    /// Requests on it.
    pub requests: u32,
    /// Queries on it, of every kind.
    pub queries: u64,
    /// Health checks on it.
    pub probes: u32,
    /// Django set its time zone (`set_config('TimeZone', …)`).
    pub sets_time_zone: bool,
    /// It ended with an error of the server that a health check would have met first (SQLSTATE 57P01 and its kin), or
    /// without an answer that was owed.
    pub lost: bool,
}

/// Lets a finding that holds on through once an interval.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    last: Option<At>,
}

/// How often a finding that holds on is counted.
const INTERVAL: u64 = 60_000_000_000;

impl Pace {
    /// Whether the finding is due, and from now on is not for an interval.
    pub fn is_due(&mut self, at: At) -> bool {
        let due = self.last.is_none_or(|last| at.since(last) >= INTERVAL);
        if due {
            self.last = Some(at);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_that_holds_on_is_counted_once_a_minute() {
        let mut pace = Pace::default();
        let due = [0, 1, 59, 60, 61, 120].map(|seconds| pace.is_due(At(seconds * 1_000_000_000)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
