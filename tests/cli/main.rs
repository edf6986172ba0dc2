//! The command line as a user meets it: the real binary, its output and its exit codes.

#![allow(clippy::unwrap_used)]

mod config;
mod exec;
mod manual;
mod packaging;
mod report;
mod serve;
mod support;
