//! What the proxy saw while the command ran.

use crate::cli::report::Finding;
use crate::stats::{ConnectionOutcome, Filter, Source};
use serde::Serialize;
use std::collections::BTreeMap;

/// How names begin that pgscope makes of tables where no comment tells the route.
const GUESSED: char = '~';

/// Totals of one route.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Route {
    pub route: String,
    pub requests: u64,
    pub queries: u64,
    /// Queries of the request that had most.
    pub most_queries: u64,
    /// Time of the queries of the request whose queries took longest.
    pub most_database_seconds: f64,
    /// Requests by how their limits were found.
    pub boundaries: BTreeMap<&'static str, u64>,
}

impl Route {
    /// A comment told it.
    pub fn is_named(&self) -> bool {
        !self.route.starts_with(GUESSED)
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub connections: u64,
    /// Connections that no server took.
    pub unreachable: u64,
    /// All statements that were decoded, BEGIN and its kin among them.
    pub statements: u64,
    pub requests: u64,
    /// The application's own, of all requests.
    pub queries: u64,
    /// Connections that could not be looked into, by reason.
    pub blind: Vec<(&'static str, u64)>,
    /// By name.
    pub routes: Vec<Route>,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Findings whose cause has lost its entry: requests by detector and severity.
    pub forgotten: Vec<(&'static str, [u64; 3])>,
}

impl Seen {
    /// Everything so far.
    pub fn new(source: &dyn Source) -> Self {
        let (snapshot, traffic) = (source.snapshot(), source.traffic());
        // A CancelRequest is a connection too, but no session.
        let ended = ConnectionOutcome::ALL.into_iter();
        let sessions = ended.filter(|outcome| *outcome != ConnectionOutcome::Cancelled);
        let ended: u64 = sessions.map(|outcome| traffic.ended(outcome)).sum();
        let mut routes: BTreeMap<&str, Route> = BTreeMap::new();
        for entry in &snapshot.routes {
            let totals = &entry.totals;
            let route = routes.entry(&entry.route).or_default();
            route.requests += totals.queries.count();
            route.queries += totals.queries.queries();
            route.most_queries = route.most_queries.max(totals.most_queries.into());
            let seconds = crate::stats::seconds(totals.most_nanos);
            route.most_database_seconds = route.most_database_seconds.max(seconds);
            *route.boundaries.entry(entry.boundary.as_str()).or_default() += totals.queries.count();
        }
        let routes: Vec<Route> = (routes.into_iter())
            .map(|(name, route)| Route {
                route: name.into(),
                ..route
            })
            .collect();
        let mut findings: Vec<Finding> = (source.findings(&Filter::default()).iter())
            .map(Finding::from)
            .collect();
        findings.sort_by(Finding::order);
        Self {
            connections: ended + u64::try_from(traffic.open()).unwrap_or_default(),
            unreachable: traffic.ended(ConnectionOutcome::UpstreamUnreachable),
            statements: (snapshot.pairs.iter())
                .flat_map(|pair| pair.queries.as_flattened())
                .sum(),
            requests: routes.iter().map(|route| route.requests).sum(),
            queries: routes.iter().map(|route| route.queries).sum(),
            blind: snapshot.blind,
            routes,
            findings,
            forgotten: snapshot.other_findings.by_detector,
        }
    }
}
