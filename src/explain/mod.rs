//! The optional side connection: asks the server itself, and may change nothing there.
//!
//! Off until `[explain]` is enabled. Then pgscope logs in with a role of its own and asks, at most one question a second: for
//! the plans of the statements that are slow or take most time, for the foreign keys of each database, for
//! `max_connections`. What comes back goes to the profiler. The connections of clients are never used.
//!
//! # What keeps it from doing harm
//!
//! The server, not pgscope: each question is asked in a transaction that is READ ONLY from its BEGIN, and that the server lets
//! nobody make writable any more once a first query has run in it, with time limits, and with plain EXPLAIN, which plans and does not run. A statement goes
//! through the extended protocol, which takes one statement a message. pgscope's own choice, only what is one plain
//! SELECT ([`crate::sql::Statement::generic`]), comes on top.
//!
//! No literal is needed, as none was kept: the plan is the generic one.

mod ask;
mod backoff;
mod run;
mod schedule;
mod settings;

pub use run::{Connecting, Connector, Side, Socket, run};
pub use settings::Settings;
