//! How the name of a server becomes addresses.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::net::lookup_host;

/// What a look-up finds, in the order in which it is to be tried.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

type LookUp = dyn Fn(&str, u16) -> Found + Send + Sync;

/// Looks a host and port up, once for each connection. The default asks the system.
pub struct Resolver(Box<LookUp>);

impl Resolver {
    /// Asks this instead of the system.
    pub fn new(look_up: impl Fn(&str, u16) -> Found + Send + Sync + 'static) -> Self {
        Self(Box::new(look_up))
    }

    pub(super) fn look_up(&self, host: &str, port: u16) -> Found {
        (self.0)(host, port)
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new(|host, port| {
            let name = (host.to_owned(), port);
            Box::pin(async move { Ok(lookup_host(name).await?.collect()) })
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Resolver")
    }
}
