//! Detectors that watch a deployment over time rather than one request.

use super::plan::Explained;
use super::{Cause, Evidence, Finding, Severity};
use crate::request::{Boundary, Request, Usage};
use crate::session::{At, SqlState};
use crate::sql::{Facts, FingerprintHasher};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

/// What every such detector is. It keeps its state within fixed bounds, and time is an argument.
pub trait Monitor: Send {
    /// Its name: the metric label and the configuration section.
    fn name(&self) -> &'static str;
    /// Takes what was seen and pushes what follows from it. A finding that holds on is pushed again once an interval,
    /// see [`Pace`]; its route is `-`.
    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>);
    /// Entries of its bounded table, and how many it has evicted; `None` where it has no such table.
    fn table(&self) -> Option<(u64, u64)> {
        None
    }
}

/// Something that happened on a connection of a class of clients.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// When.
    pub at: At,
    /// The class, as [`crate::request::Classes::find`] numbers them; `usize::MAX` for what the server said.
    pub class: usize,
    /// How connections of the class are used, as far as is known.
    pub usage: Usage,
    /// The sign that announces requests of the class (a health check, a pool check, `DISCARD ALL`), if any does.
    pub announced: Option<Boundary>,
    /// Connections that are open, those of all classes.
    pub open: u32,
    /// What.
    pub what: What<'a>,
}

impl<'a> Observed<'a> {
    /// What the server said on the side connection, which is no client's.
    pub fn of_server(at: At, what: What<'a>) -> Self {
        Self {
            at,
            class: usize::MAX,
            usage: Usage::Unknown,
            announced: None,
            open: 0,
            what,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// The server let a client in; nanoseconds since its connection was accepted.
    Opened(u64),
    /// The server let no client in, for this reason; nobody knows of which class it would have been.
    Refused(SqlState),
    /// The server has so many connections to give (`max_connections`), as one who may ask it tells.
    MaxConnections(u32),
    /// A request was closed.
    Request(&'a Request),
    /// What tables hold may have changed: a statement that is no query has ended, or the transaction that it was part of.
    Wrote {
        /// Database.
        database: &'a str,
        /// Of the statement; none where there were more than are remembered.
        facts: Option<&'a Facts>,
    },
    /// A connection ended.
    Closed(&'a Connection),
    /// The server explained a statement; only where `[explain]` is enabled.
    Explained(&'a Explained<'a>),
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
    /// The server ended it (SQLSTATE 57P01 and its kin) outside any query: a health check would have met that first.
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

/// A finding of a deployment that accuses no statement.
pub(super) fn finding(
    detector: &'static str,
    severity: Severity,
    fix: &str,
    count: u32,
    wasted_nanos: u64,
) -> Finding {
    Finding {
        cause: Cause {
            detector,
            route: "-".into(),
            parent: None,
            fingerprint: None,
        },
        severity,
        evidence: Evidence::Measured,
        kind: "",
        parent: String::new(),
        relation: String::new(),
        fix: fix.to_owned(),
        query: "".into(),
        count,
        wasted_seconds: wasted_nanos as f64 / 1e9,
    }
}

/// Whether `part` is at least so many per cent of `whole`.
pub(super) fn is_share(part: u64, whole: u64, percent: u32) -> bool {
    u128::from(part) * 100 >= u128::from(whole) * u128::from(percent)
}

/// Refuses a share that can never or will always be reached.
pub(super) fn check_percent(detector: &str, key: &str, percent: u32) -> Result<(), String> {
    if (1..=100).contains(&percent) {
        return Ok(());
    }
    Err(format!(
        "detectors.{detector}.{key} = {percent}: no share of anything; write 1 to 100"
    ))
}

/// Refuses a number below the least that makes sense.
pub(super) fn check_least(detector: &str, key: &str, value: u32, least: u32) -> Result<(), String> {
    if value >= least {
        return Ok(());
    }
    Err(format!(
        "detectors.{detector}.{key} = {value}: too few to judge by; write {least} or more"
    ))
}

/// State of each class of clients, made when the class is first seen: as many as there are classes,
/// `request.max_classes` and one.
#[derive(Debug, Default)]
pub(super) struct PerClass<T>(Vec<T>);

impl<T: Default> PerClass<T> {
    pub fn get(&mut self, class: usize) -> &mut T {
        if class >= self.0.len() {
            self.0.resize_with(class + 1, T::default);
        }
        &mut self.0[class]
    }
}

/// A map that forgets what has not been touched for longest, half of its entries at a time: finding and forgetting
/// both take constant time, and its room is used again. Its keys are hashes already.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V, BuildHasherDefault<FingerprintHasher>>,
    old: HashMap<K, V, BuildHasherDefault<FingerprintHasher>>,
    half: usize,
    evicted: u64,
}

impl<K: Hash + Eq + Copy, V: Default> Generations<K, V> {
    /// At most `limit` entries, two or more.
    pub fn new(limit: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            half: limit / 2,
            evicted: 0,
        }
    }

    /// The entry of a key, new where it has none.
    pub fn get(&mut self, key: K) -> &mut V {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.evicted += self.old.len() as u64;
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            return self.young.entry(key).or_insert(value);
        }
        let old = &mut self.old;
        let entry = self.young.entry(key);
        entry.or_insert_with(|| old.remove(&key).unwrap_or_default())
    }

    /// Entries, and those forgotten so far.
    pub fn size(&self) -> (u64, u64) {
        ((self.young.len() + self.old.len()) as u64, self.evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_forgets_what_was_not_touched_for_longest() {
        let mut map: Generations<u32, u32> = Generations::new(8);
        for key in 0..1000 {
            *map.get(7000) += 1;
            *map.get(key) += 1;
        }
        assert_eq!(*map.get(7000), 1000);
        assert_eq!(*map.get(999), 1);
        let (entries, evicted) = map.size();
        assert!(entries <= 8, "{entries}");
        assert_eq!(entries + evicted, 1001);
        assert_eq!(*map.get(3), 0);
    }

    #[test]
    fn state_of_a_class_is_its_own() {
        let mut states: PerClass<u32> = PerClass::default();
        *states.get(3) += 1;
        *states.get(0) += 2;
        assert_eq!((*states.get(3), *states.get(0), *states.get(64)), (1, 2, 0));
    }

    #[test]
    fn a_finding_that_holds_on_is_counted_once_a_minute() {
        let mut pace = Pace::default();
        let due = [0, 1, 59, 60, 61, 120].map(|seconds| pace.is_due(At(seconds * 1_000_000_000)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
