//! Builders for tests: Django's statements, and requests made of them.

mod scenario;
mod sql;

pub(super) use scenario::Scenario;
pub(super) use sql::*;
