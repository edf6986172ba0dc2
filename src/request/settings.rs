//! `[request]` of the configuration.

use crate::units::Period;
use serde::{Deserialize, Serialize};

/// How requests are told apart and how much of one is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Idle time, outside a transaction, that closes a request which nothing on the wire closes.
    pub idle_close: Period,
    /// Idle time that parts requests where there is no better sign and the gaps seen form no two clusters.
    pub gap: Period,
    /// Queries of one request that are kept in order; further ones are counted only.
    pub max_queries: usize,
    /// Distinct statements of one request that are kept; further ones are counted only.
    pub max_statements: usize,
    /// Values of results that are kept of one request, as hashes, to see which later queries ask for them.
    pub max_values: usize,
    /// Client classes (address, user, database, application name) that are told apart.
    pub max_classes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_close: Period::secs(1),
            gap: Period::millis(250),
            max_queries: 1000,
            max_statements: 200,
            max_values: 16_384,
            max_classes: 64,
        }
    }
}

impl Settings {
    /// Says what is impossible and what to write instead.
    ///
    /// # Errors
    /// The key and the remedy, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.idle_close.nanos() == 0 {
            return Err("request.idle_close must be more than 0, such as \"1s\"".into());
        }
        if self.gap.nanos() == 0 {
            return Err("request.gap must be more than 0, such as \"250ms\"".into());
        }
        if !(10..=100_000).contains(&self.max_queries) {
            return Err("request.max_queries must be between 10 and 100000".into());
        }
        if !(10..=10_000).contains(&self.max_statements) {
            return Err("request.max_statements must be between 10 and 10000".into());
        }
        if self.max_values > 1_000_000 {
            return Err("request.max_values must be at most 1000000; 0 keeps none".into());
        }
        if !(1..=10_000).contains(&self.max_classes) {
            return Err("request.max_classes must be between 1 and 10000".into());
        }
        Ok(())
    }
}
