//! pgscope as its peers see it: raw clients, a scripted server and the real proxy between them, all in one process.

#![allow(clippy::unwrap_used)]

mod architecture;
mod cancels;
mod documents;
mod explain;
mod faults;
mod lifecycle;
mod metrics;
mod recordings;
mod requests;
mod servers;
mod signals;
mod startup;
mod support;
mod systemd;
mod tls;
mod tls_server;
mod transcripts;
mod transparency;
mod unix_sockets;
