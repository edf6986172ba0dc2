//! Sums over everything, for who looks once a second.

use super::words::Table;

/// Sums of all totals at one moment.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Queries of every kind.
    pub queries: u64,
    /// ErrorResponses.
    pub errors: u64,
    /// Requests.
    pub requests: u64,
    /// Of the queries of requests, seconds.
    pub database_seconds: f64,
    /// Requests in which a detector found something, by detector.
    pub findings: Vec<(&'static str, u64)>,
    /// Sessions that went blind, by reason.
    pub blind: Vec<(&'static str, u64)>,
    /// What could not be told, by reason.
    pub dropped: Vec<(&'static str, u64)>,
    /// The bounded tables, each with its size where the configuration names it.
    pub tables: Vec<(Table, Option<usize>)>,
}
