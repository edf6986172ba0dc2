//! A proxy beside one command, in this process: without an admin server, and for as long as the command runs.

use super::relay::{Bound, Relay};
use super::wiring::Shared;
use super::{Failure, descriptors, panics};
use crate::config::{Address, Secrets, Settings, UpstreamList};
use crate::stats::Source;
use crate::units::Period;
use std::future::pending;
use std::sync::Arc;

/// A running proxy.
pub struct Sidecar {
    shared: Arc<Shared>,
    relay: Relay,
    address: Address,
    grace: Period,
}

impl Sidecar {
    /// Listens where `listen` says and forwards to `upstream`.
    pub fn start(settings: &Settings, upstream: UpstreamList) -> Result<Self, Failure> {
        // Secrets are for what is not started: the admin server and the side connection.
        let shared = Arc::new(Shared::new(settings, upstream, Secrets::default())?);
        panics::hush(Arc::clone(&shared));
        descriptors::check(settings.proxy.max_connections, shared.threads());
        let bound = Bound::new(&settings.listen, None)?;
        let address = bound.address.clone();
        Ok(Self {
            relay: bound.start(&shared)?,
            shared,
            address,
            grace: settings.shutdown.grace,
        })
    }

    /// What it listens on.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it has seen.
    pub fn source(&self) -> Arc<dyn Source> {
        self.shared.source()
    }

    /// Waits for an end that nobody asked for.
    pub async fn ended(&mut self) -> Failure {
        self.relay.ended().await
    }

    /// Lets open connections go on for `shutdown.grace`, then cuts them. What they carried is counted afterwards.
    pub async fn stop(&mut self) -> Result<(), Failure> {
        self.shared.drain();
        self.relay.drain(self.grace, pending()).await
    }
}
