//! The last requests, and the worst of each route.

use super::label::{LABEL_BYTES, bounded_arc};
use super::timeline::Timeline;
use super::{Filter, Order};
use crate::request::{Boundary, Request};
use crate::session::At;
use crate::sql::Fingerprint;
use lru::LruCache;
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
    /// Its number since the start, from 1.
    pub id: u64,
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
    /// In which the server owed nothing and waited for the next query, ns.
    pub think_nanos: u64,
    /// First byte of its first statement.
    pub opened: At,
    /// When it closed.
    pub at: At,
    /// The statements that took most time, the slowest first.
    pub top: [Option<TopStatement>; TOP_STATEMENTS],
    /// Detectors that found something in it, each once.
    pub findings: Box<[&'static str]>,
    /// What it did, query by query.
    pub timeline: Arc<Timeline>,
}

impl RecentRequest {
    fn new(id: u64, request: &Request, findings: &[&'static str], timeline: Arc<Timeline>) -> Self {
        Self {
            id,
            route: bounded_arc(&request.route, LABEL_BYTES),
            boundary: request.boundary,
            database: Arc::clone(&request.database),
            queries: request.queries,
            nanos: request.nanos,
            wall_nanos: request.closed.since(request.opened),
            think_nanos: request.think_nanos,
            opened: request.opened,
            at: request.closed,
            top: top(request),
            findings: findings.into(),
            timeline,
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        filter.has_route(&self.route)
            && filter.since.is_none_or(|since| self.at >= since)
            && filter
                .database
                .as_deref()
                .is_none_or(|database| *self.database == *database)
    }

    /// What an order of the list goes by, the greatest first.
    fn rank(&self, order: Order) -> u64 {
        match order {
            Order::Recent => self.id,
            Order::Slowest => self.wall_nanos,
            Order::Queries => u64::from(self.queries),
        }
    }
}

/// How long the worst request of a route stays the worst, ns: what was mended should go.
const WORST_FOR: u64 = 15 * 60 * 1_000_000_000;

/// The orders in which the worst are kept.
const WORST: [Order; 2] = [Order::Slowest, Order::Queries];

/// A ring: the newest request takes the place of the oldest. Beside it the worst requests of the last 15 minutes, one a
/// route and order.
#[derive(Debug)]
pub(super) struct Recent {
    ring: VecDeque<RecentRequest>,
    worst: [LruCache<Arc<str>, RecentRequest>; 2],
    limit: usize,
    routes: usize,
    count: u64,
}

impl Recent {
    /// Room for `limit` requests and the worst of `routes` routes.
    pub(super) fn new(limit: usize, routes: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            // Bounded here rather than in the cache, which would allocate its bound at once.
            worst: WORST.map(|_| LruCache::unbounded()),
            limit: limit.max(1),
            routes: routes.max(1),
            count: 0,
        }
    }

    /// Remembers a closed request and which detectors found something in it.
    pub(super) fn push(&mut self, request: &Request, findings: &[&'static str]) {
        let mut timeline = match self.ring.len() >= self.limit {
            true => self.ring.pop_front().map(|oldest| oldest.timeline),
            false => None,
        }
        .unwrap_or_default();
        match Arc::get_mut(&mut timeline) {
            Some(timeline) => timeline.fill(request),
            // Some reader, or the worst of a route, still holds it.
            None => {
                let mut new = Timeline::default();
                new.fill(request);
                timeline = Arc::new(new);
            }
        }
        self.count += 1;
        let request = RecentRequest::new(self.count, request, findings, timeline);
        for (order, worst) in WORST.into_iter().zip(&mut self.worst) {
            match worst.get_mut(&request.route) {
                Some(known) => {
                    let gone = request.at.since(known.at) > WORST_FOR;
                    if gone || request.rank(order) > known.rank(order) {
                        *known = request.clone();
                    }
                }
                None => {
                    if worst.len() >= self.routes {
                        worst.pop_lru();
                    }
                    worst.push(Arc::clone(&request.route), request.clone());
                }
            }
        }
        self.ring.push_back(request);
    }

    /// Requests of a number, where it is still kept.
    pub(super) fn find(&self, id: u64) -> Option<RecentRequest> {
        let worst = self.worst.iter().flat_map(LruCache::iter);
        let worst = worst.map(|(_, request)| request);
        let found = self
            .ring
            .iter()
            .chain(worst)
            .find(|request| request.id == id);
        found.cloned()
    }

    /// The last requests, newest first, or the worst of each route, worst first.
    pub(super) fn list(&self, filter: &Filter) -> Vec<RecentRequest> {
        let passing = |request: &&RecentRequest| request.passes(filter);
        let kept = WORST.iter().position(|order| *order == filter.order);
        let Some(worst) = kept.and_then(|place| self.worst.get(place)) else {
            let newest = self.ring.iter().rev().filter(passing);
            return newest.take(filter.limit).cloned().collect();
        };
        let mut worst: Vec<_> = worst
            .iter()
            .map(|(_, request)| request)
            .filter(passing)
            .collect();
        worst.sort_by_key(|request| std::cmp::Reverse(request.rank(filter.order)));
        worst.into_iter().take(filter.limit).cloned().collect()
    }

    /// (requests remembered, requests forgotten).
    pub(super) fn entries(&self) -> (usize, u64) {
        (self.ring.len(), self.count - self.ring.len() as u64)
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
        let mut requests = Recent::new(2, 10);
        for route in ["a/", "b/", "c/"] {
            requests.push(&request(route, Boundary::Probe, 5), &[]);
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
        let mut requests = Recent::new(10, 10);
        requests.push(&request("a/", Boundary::Probe, 1), &[]);
        requests.push(&request("b/", Boundary::Probe, 1), &[]);
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

    #[test]
    fn the_worst_of_each_route_stay_for_a_while() {
        let mut requests = Recent::new(1, 10);
        let mut push = |route, queries, seconds: u64| {
            let mut request = request(route, Boundary::Probe, queries);
            request.closed = At(seconds * 1_000_000_000);
            request.opened = At(request.closed.0 - 1_000_000 * u64::from(queries));
            requests.push(&request, &["n_plus_one"]);
            let order = Order::Queries;
            let worst = requests.list(&Filter {
                order,
                ..Filter::default()
            });
            let worst = worst
                .iter()
                .map(|request| (request.route.to_string(), request.queries));
            worst.collect::<Vec<_>>()
        };
        let named = |route: &str, queries| (route.to_owned(), queries);
        push("a/", 9, 1);
        push("a/", 3, 2);
        assert_eq!(push("b/", 20, 3), [named("b/", 20), named("a/", 9)]);
        assert_eq!(push("a/", 2, 1000), [named("b/", 20), named("a/", 2)]);
        let found = requests.find(3).map(|request| request.findings);
        assert_eq!(found, Some(["n_plus_one"].into()));
        assert!(requests.find(1).is_none());
    }
}
