//! The admin address: metrics for Prometheus, health for an orchestrator, JSON and a page for people.
//!
//! Everything here reads; nothing can change what the proxy does. Answers are made on a thread of their own, so that
//! a scrape does not hold up connections.

mod api;
mod catalogue;
mod detail;
mod events;
mod exposition;
mod family;
mod guard;
mod http;
mod json;
mod metrics;
mod pace;
mod page;
mod pieces;
mod process;
mod renderer;
mod server;
mod state;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod fixture;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use catalogue::{ALL as METRICS, Spec};
pub use http::serve;
pub use metrics::Metrics;
pub use state::{AdminState, CatchUp, CaughtUp, Check, HealthCheck, Readiness, Settings};
