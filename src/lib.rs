//! pgscope: a transparent PostgreSQL wire-protocol proxy that profiles Django.

#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod detect;
pub mod explain;
pub mod finding;
pub mod profiler;
pub mod proxy;
pub mod request;
pub mod session;
pub mod sql;
pub mod stats;
pub mod units;
pub mod wire;
