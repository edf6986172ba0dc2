//! The last requests.

use super::Filter;
use super::label::{LABEL_BYTES, bounded_arc};
use crate::request::{Boundary, Request};
use crate::session::At;
use crate::sql::Fingerprint;
use std::collections::VecDeque;
use std::sync::Arc;

/// Statements that a recent request names.
const TOP_STATEMENTS: usize = 3;

/// Queries of one statement in a recent request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopStatement {
    /// The statement.
    pub fingerprint: Fingerprint,
    /// Queries.
    pub calls: u32,
    /// Sum of their durations, ns.
    pub nanos: u64,
}

/// A closed request in short.
#[derive(Clone, Debug)]
pub struct RecentRequest {
    /// Its route.
    pub route: Arc<str>,
    /// How its limits were found.
    pub boundary: Boundary,
    /// Its database.
    pub database: Arc<str>,
    /// Its queries.
    pub queries: u32,
    /// Sum of their durations, ns.
    pub nanos: u64,
    /// First byte of its first statement to its last ReadyForQuery, ns.
    pub wall_nanos: u64,
    /// When it closed.
    pub at: At,
    /// The statements that took most time, the slowest first.
    pub top: [Option<TopStatement>; TOP_STATEMENTS],
}

/// A ring: the newest request takes the place of the oldest.
#[derive(Debug)]
pub(super) struct Recent {
    ring: VecDeque<RecentRequest>,
    limit: usize,
    overwritten: u64,
}

impl Recent {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            limit: limit.max(1),
            overwritten: 0,
        }
    }

    /// Remembers a closed request.
    pub(super) fn push(&mut self, request: &Request) {
        if self.ring.len() >= self.limit {
            self.ring.pop_front();
            self.overwritten += 1;
        }
        self.ring.push_back(RecentRequest {
            route: bounded_arc(&request.route, LABEL_BYTES),
            boundary: request.boundary,
            database: Arc::clone(&request.database),
            queries: request.queries,
            nanos: request.nanos,
            wall_nanos: request.closed.since(request.opened),
            at: request.closed,
            top: top(request),
        });
    }

    /// The last requests, newest first.
    pub(super) fn list(&self, filter: &Filter) -> Vec<RecentRequest> {
        self.ring
            .iter()
            .rev()
            .filter(|request| {
                filter.has_route(&request.route)
                    && filter.since.is_none_or(|since| request.at >= since)
                    && filter
                        .database
                        .as_deref()
                        .is_none_or(|database| *request.database == *database)
            })
            .take(filter.limit)
            .cloned()
            .collect()
    }

    /// (requests remembered, requests forgotten).
    pub(super) fn entries(&self) -> (usize, u64) {
        (self.ring.len(), self.overwritten)
    }
}

/// The statements that took most time.
fn top(request: &Request) -> [Option<TopStatement>; TOP_STATEMENTS] {
    let mut top = [None; TOP_STATEMENTS];
    for group in &request.groups {
        let mut candidate = Some(TopStatement {
            fingerprint: group.statement.fingerprint,
            calls: group.calls,
            nanos: group.nanos,
        });
        for place in &mut top {
            let nanos = |statement: &Option<TopStatement>| statement.map(|s| s.nanos);
            if nanos(&candidate) > nanos(place) {
                std::mem::swap(place, &mut candidate);
            }
        }
    }
    top
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::request::{Group, Kind};
    use crate::sql::Statement;

    /// A request of 4 ms in the database and 8 ms in all.
    pub(in crate::stats) fn request(route: &str, boundary: Boundary, queries: u32) -> Request {
        let groups = (0..u64::from(queries.min(5))).map(|number| {
            let statement = Statement::new(Fingerprint(number), "SELECT ?");
            Group {
                calls: 1,
                nanos: 1_000_000 * (number % 3),
                max_nanos: 1_000_000,
                rows: 1,
                ..Group::new(Arc::new(statement))
            }
        });
        Request {
            database: "app".into(),
            route: route.into(),
            controller: "".into(),
            boundary,
            kind: Kind::Http,
            opened: At(1_000_000),
            closed: At(9_000_000),
            queries,
            nanos: 4_000_000,
            think_nanos: 0,
            groups: groups.collect(),
            entries: Vec::new(),
            ..Request::default()
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_with_their_slowest_statements() {
        let mut requests = Recent::new(2);
        for route in ["a/", "b/", "c/"] {
            requests.push(&request(route, Boundary::Probe, 5));
        }
        let recent = requests.list(&Filter::default());
        let routes: Vec<&str> = recent.iter().map(|request| &*request.route).collect();
        assert_eq!(routes, ["c/", "b/"]);
        assert_eq!(requests.entries(), (2, 1));
        let top: Vec<u64> = recent[0]
            .top
            .iter()
            .flatten()
            .map(|s| s.fingerprint.0)
            .collect();
        assert_eq!(top, [2, 1, 4]);
        assert_eq!(recent[0].wall_nanos, 8_000_000);
    }

    #[test]
    fn a_filter_picks_by_route_database_and_time() {
        let mut requests = Recent::new(10);
        requests.push(&request("a/", Boundary::Probe, 1));
        requests.push(&request("b/", Boundary::Probe, 1));
        let count = |filter: Filter| requests.list(&filter).len();
        let all = Filter::default;
        let route = Some("a/".to_owned());
        assert_eq!(count(Filter { route, ..all() }), 1);
        let database = Some("logs".to_owned());
        assert_eq!(count(Filter { database, ..all() }), 0);
        let since = Some(At(9_000_001));
        assert_eq!(count(Filter { since, ..all() }), 0);
        assert_eq!(count(Filter { limit: 1, ..all() }), 1);
    }
}
