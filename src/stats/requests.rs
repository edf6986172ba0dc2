//! Numbers by route.

use super::Filter;
use super::histogram::{Durations, Quantiles, QueryCounts, Summary};
use super::label::{LABEL_BYTES, OTHER, bounded_arc};
use crate::request::{Boundary, Request};
use lru::LruCache;
use std::sync::Arc;

/// All boundaries, in the order of their discriminants.
pub(super) const BOUNDARIES: [Boundary; 10] = [
    Boundary::Trace,
    Boundary::Connection,
    Boundary::Probe,
    Boundary::PoolCheck,
    Boundary::Discard,
    Boundary::Route,
    Boundary::Transaction,
    Boundary::Anchor,
    Boundary::Gap,
    Boundary::None,
];

/// Totals of one route and boundary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RouteTotals {
    /// Requests by their number of queries; their number is the number of requests.
    pub queries: QueryCounts,
    /// Requests by the time of their queries.
    pub database: Durations,
    /// Requests by their whole time, as far as the wire shows it.
    pub duration: Durations,
    /// Queries of the request that had most.
    pub most_queries: u32,
    /// Time of the queries of the request whose queries took longest, ns.
    pub most_nanos: u64,
}

impl RouteTotals {
    fn add(&mut self, other: &Self) {
        self.queries.add(&other.queries);
        self.database.add(&other.database);
        self.duration.add(&other.duration);
        self.most_queries = self.most_queries.max(other.most_queries);
        self.most_nanos = self.most_nanos.max(other.most_nanos);
    }
}

/// A route as a snapshot or the API shows it.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// The route, or `other`.
    pub route: Arc<str>,
    /// How the limits of its requests were found.
    pub boundary: Boundary,
    /// The totals.
    pub totals: RouteTotals,
}

#[derive(Debug, Default)]
struct RouteRow {
    totals: RouteTotals,
    quantiles: Quantiles,
}

/// The bounded table of routes: when full, the least recently used row is added to `other` of its
/// boundary.
#[derive(Debug)]
pub(super) struct Routes {
    routes: LruCache<(Arc<str>, Boundary), RouteRow>,
    other: [RouteTotals; BOUNDARIES.len()],
    route_limit: usize,
    evictions: u64,
}

impl Routes {
    pub(super) fn new(routes: usize) -> Self {
        Self {
            routes: LruCache::unbounded(),
            other: [RouteTotals::default(); BOUNDARIES.len()],
            route_limit: routes.max(1),
            evictions: 0,
        }
    }

    /// Counts a closed request.
    pub(super) fn request(&mut self, request: &Request) {
        let route = bounded_arc(&request.route, LABEL_BYTES);
        let wall_nanos = request.closed.since(request.opened);
        let mut totals = RouteTotals::default();
        totals.queries.record(u64::from(request.queries));
        totals.database.record(request.nanos);
        totals.duration.record(wall_nanos);
        totals.most_queries = request.queries;
        totals.most_nanos = request.nanos;
        if &*route == OTHER {
            self.add_to_other(request.boundary, &totals);
        } else {
            let row = self.row(Arc::clone(&route), request.boundary);
            row.totals.add(&totals);
            row.quantiles.record(request.nanos);
        }
    }

    fn add_to_other(&mut self, boundary: Boundary, totals: &RouteTotals) {
        if let Some(other) = self.other.get_mut(boundary as usize) {
            other.add(totals);
        }
    }

    fn row(&mut self, route: Arc<str>, boundary: Boundary) -> &mut RouteRow {
        let key = (route, boundary);
        if self.routes.len() >= self.route_limit
            && !self.routes.contains(&key)
            && let Some(((_, boundary), evicted)) = self.routes.pop_lru()
        {
            self.evictions += 1;
            self.add_to_other(boundary, &evicted.totals);
        }
        self.routes.get_or_insert_mut(key, RouteRow::default)
    }

    /// All rows and what evicted ones left as `other`.
    pub(super) fn all(&self) -> Vec<RouteEntry> {
        let rows = self
            .routes
            .iter()
            .map(|((route, boundary), row)| RouteEntry {
                route: Arc::clone(route),
                boundary: *boundary,
                totals: row.totals,
            });
        let name: Arc<str> = OTHER.into();
        let other = BOUNDARIES
            .iter()
            .zip(&self.other)
            .filter(|(_, totals)| totals.queries.count() > 0)
            .map(|(boundary, totals)| RouteEntry {
                route: Arc::clone(&name),
                boundary: *boundary,
                totals: *totals,
            });
        rows.chain(other).collect()
    }

    /// Routes with quantiles of their time in the database, those that took most of it first.
    pub(super) fn list(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)> {
        let mut rows: Vec<_> = self
            .routes
            .iter()
            .filter(|((route, _), _)| filter.has_route(route))
            .collect();
        rows.sort_by(|(_, a), (_, b)| {
            let (a, b) = (&a.totals.database, &b.totals.database);
            b.seconds().total_cmp(&a.seconds())
        });
        rows.into_iter()
            .take(filter.limit)
            .map(|((route, boundary), row)| {
                let entry = RouteEntry {
                    route: Arc::clone(route),
                    boundary: *boundary,
                    totals: row.totals,
                };
                (entry, row.quantiles.summary())
            })
            .collect()
    }

    /// All requests, and the time of their queries in seconds.
    pub(super) fn sums(&self) -> (u64, f64) {
        let rows = self.routes.iter().map(|(_, row)| &row.totals);
        rows.chain(&self.other)
            .fold((0, 0.0), |(count, time), row| {
                (count + row.queries.count(), time + row.database.seconds())
            })
    }

    /// (rows, rows evicted).
    pub(super) fn entries(&self) -> (usize, u64) {
        (self.routes.len(), self.evictions)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stats::recent::tests::request;
    use proptest::prelude::*;

    #[test]
    fn a_request_counts_once_in_each_histogram_of_its_route() {
        let mut routes = Routes::new(10);
        routes.request(&request("wines/", Boundary::Trace, 3));
        routes.request(&request("wines/", Boundary::Gap, 2));
        routes.request(&request("wines/", Boundary::Trace, 1));
        let all = routes.all();
        let trace = all
            .iter()
            .find(|entry| entry.boundary == Boundary::Trace)
            .unwrap();
        assert_eq!(all.len(), 2);
        let totals = trace.totals;
        assert_eq!((totals.queries.count(), totals.queries.queries()), (2, 4));
        assert_eq!(totals.database.seconds(), 0.008);
        assert_eq!(totals.duration.seconds(), 0.016);
        assert_eq!((totals.most_queries, totals.most_nanos), (3, 4_000_000));
    }

    #[test]
    fn a_route_named_other_is_the_row_other() {
        let mut routes = Routes::new(1);
        routes.request(&request(OTHER, Boundary::Gap, 1));
        routes.request(&request("a/", Boundary::Gap, 1));
        routes.request(&request("b/", Boundary::Gap, 1));
        let all = routes.all();
        let names: Vec<&str> = all.iter().map(|entry| &*entry.route).collect();
        assert_eq!(names, ["b/", "other"]);
        assert_eq!(all[1].totals.queries.count(), 2);
    }

    proptest! {
        #[test]
        fn no_stream_of_routes_loses_a_request(
            limit in 1usize..5,
            fed in prop::collection::vec((0u8..9, 0usize..BOUNDARIES.len(), 1u32..2000), 0..200),
        ) {
            let mut routes = Routes::new(limit);
            for (route, boundary, queries) in &fed {
                routes.request(&request(&route.to_string(), BOUNDARIES[*boundary], *queries));
            }
            let all = routes.all();
            prop_assert!(all.len() <= limit + BOUNDARIES.len());
            let counted: u64 = all.iter().map(|entry| entry.totals.queries.count()).sum();
            prop_assert_eq!(counted, fed.len() as u64);
            let queries: u64 = all.iter().map(|entry| entry.totals.queries.queries()).sum();
            prop_assert_eq!(queries, fed.iter().map(|(_, _, queries)| u64::from(*queries)).sum::<u64>());
            let most = all.iter().map(|entry| entry.totals.most_queries).max();
            prop_assert_eq!(most, fed.iter().map(|(_, _, queries)| *queries).max());
        }
    }
}
