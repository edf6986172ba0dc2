//! The relay on threads of its own: how they start, and how they stop.

use super::failure::Failure;
use super::wiring::{self, Inherited, Listener, Shared, Threads};
use super::{PATIENCE, reason, runtime, spawn};
use crate::config::{Address, ListenAddress};
use crate::units::Period;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{oneshot, watch};

/// A listener whose clients wait to be served.
pub(super) struct Bound {
    runtime: Runtime,
    listener: Listener,
    /// What it listens on; the port is not 0.
    pub address: Address,
}

impl Bound {
    /// Binds `listen`, or takes the socket that a service manager passed.
    pub fn new(listen: &ListenAddress, inherited: Option<Inherited>) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let listener = runtime.block_on(async {
            match inherited {
                Some(socket) => {
                    Listener::inherit(socket).map_err(|error| Failure::Inherit(error.to_string()))
                }
                None => Listener::bind(listen)
                    .await
                    .map_err(|error| Failure::bind("listen", "--listen", listen, error)),
            }
        })?;
        let address = listener.address()?;
        Ok(Self {
            runtime,
            listener,
            address,
        })
    }

    /// Serves.
    pub fn start(self, shared: &Arc<Shared>) -> io::Result<Relay> {
        let (draining, draining_seen) = watch::channel(false);
        let clock = Helper::start("relay-clock")?;
        let helpers: Vec<_> = (1..shared.threads())
            .map(|number| Helper::start(&format!("relay-{number}")))
            .collect::<io::Result<_>>()?;
        let threads = Threads {
            helpers: helpers.iter().map(Helper::runtime).collect(),
            clock: clock.runtime(),
        };
        let relay = wiring::relay(self.listener, Arc::clone(shared), threads, draining_seen);
        let relay = async move {
            let end = relay.await;
            // They run as long as they may have connections.
            drop((helpers, clock));
            end
        };
        Ok(Relay {
            draining,
            end: spawn("relay", self.runtime, relay)?,
        })
    }
}

/// One more thread with an event loop. Ends when dropped.
struct Helper {
    runtime: Handle,
    _running: oneshot::Sender<()>,
}

impl Helper {
    fn start(name: &str) -> io::Result<Self> {
        let runtime = runtime()?;
        let handle = runtime.handle().clone();
        let (running, dropped) = oneshot::channel();
        spawn(name, runtime, async move {
            let _ = dropped.await;
            Ok(())
        })?;
        Ok(Self {
            runtime: handle,
            _running: running,
        })
    }

    fn runtime(&self) -> Handle {
        self.runtime.clone()
    }
}

/// A relay that serves.
pub(super) struct Relay {
    draining: watch::Sender<bool>,
    end: oneshot::Receiver<io::Result<()>>,
}

impl Relay {
    /// Waits for an end that nobody asked for.
    pub async fn ended(&mut self) -> Failure {
        Failure::Relay(reason((&mut self.end).await))
    }

    /// Takes no more connections, lets open ones go on for `grace`, then cuts them: at once where `hurry` is ready.
    pub async fn drain(
        &mut self,
        grace: Period,
        hurry: impl Future<Output = &'static str>,
    ) -> Result<(), Failure> {
        self.draining.send_replace(true);
        tokio::select! {
            end = &mut self.end => match end {
                Ok(Ok(())) => {}
                end => return Err(Failure::Relay(reason(end))),
            },
            name = hurry => tracing::warn!(signal = name, "second signal: open connections are cut"),
            () = tokio::time::sleep(grace.0.saturating_add(PATIENCE)) => {
                tracing::warn!("the relay did not end in time: open connections are cut");
            }
        }
        Ok(())
    }
}
