//! Requests: which queries belong to one HTTP request, task or command.
//!
//! [`Tracker`] follows one connection and closes a request where a rule of the ladder (`rules/`) says that
//! it ended; [`Classes`] keeps what is learned across connections of one deployment.

mod callsites;
mod class;
mod foreign_keys;
mod health_check;
mod record;
mod rules;
mod settings;
mod signs;
mod streams;
mod tracker;
mod unit;

pub use callsites::Callsites;
pub use class::{Class, ClassKey, Classes, Usage};
pub use foreign_keys::ForeignKeys;
pub use health_check::{HealthChecks, Sign};
pub use record::{Boundary, Confidence, Entry, Group, Kind, Request, Transaction};
pub use settings::Settings;
pub use streams::{Catalog, Segment, Stream, Streams};
pub use tracker::{Closed, Tracker};

/// Longest name of a request, bytes.
const MAX_ROUTE: usize = 128;
