//! Encryption of the two legs, each by itself. `docs/tls.md` tells what goes with what.
//!
//! A leg that is encrypted ends at pgscope: the bytes of the session are decrypted, looked at and encrypted again. The
//! certificates are read at the start and again at each SIGHUP; open connections keep theirs.

mod client;
mod error;
mod files;
pub(super) mod scram;
mod settings;
mod upstream;
mod verify;

pub use error::TlsError;
pub(super) use error::Unencrypted;
pub use settings::{ClientMode, ClientTls, UpstreamMode, UpstreamTls, check_together};
pub(super) use upstream::Secured;

use crate::proxy::servers::UpstreamList;
use client::ClientLeg;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;
use upstream::UpstreamLeg;

/// What a look at the server's leg came to; the log says so when it changes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Seen {
    Plain = 1,
    Tls,
    SameCertificate,
    OtherCertificate,
}

/// What all connections share about TLS. The default is none on either leg.
#[derive(Debug, Default)]
pub struct Tls {
    client: ClientLeg,
    upstream: UpstreamLeg,
    seen: AtomicU8,
}

impl Tls {
    /// Reads certificates and keys.
    pub fn load(
        client: &ClientTls,
        upstream: &UpstreamTls,
        servers: &UpstreamList,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            client: ClientLeg::load(client)?,
            upstream: UpstreamLeg::load(upstream, servers)?,
            seen: AtomicU8::default(),
        })
    }

    /// Reads certificates and keys again, for connections to come. Files that cannot be used are logged and change
    /// nothing.
    pub fn reload(&self) {
        for (leg, has_files, reloaded) in [
            (
                "client_tls",
                self.client.leaf().is_some(),
                self.client.reload(),
            ),
            (
                "upstream_tls",
                !self.upstream.is_off(),
                self.upstream.reload(),
            ),
        ] {
            match reloaded {
                Ok(()) if has_files => tracing::info!(leg, "certificates read again"),
                Ok(()) => {}
                Err(error) => tracing::error!(
                    leg,
                    hint = error.hint,
                    "certificates not reloaded, the old ones stay in use: {error}"
                ),
            }
        }
        // So that the next look at the server's certificate is told anew.
        self.seen.store(0, Ordering::Relaxed);
    }

    pub(super) fn client_mode(&self) -> ClientMode {
        self.client.mode()
    }

    pub(super) fn is_required(&self) -> bool {
        self.client.required()
    }

    pub(super) fn is_upstream_off(&self) -> bool {
        self.upstream.is_off()
    }

    /// Shakes hands with a client; see [`ClientLeg::accept`].
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        head: &[u8],
        direct: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        self.client.accept(stream, head, direct).await
    }

    /// Encrypts a new connection to this one of the servers; see [`UpstreamLeg::secure`].
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        server: usize,
        limit: Duration,
    ) -> io::Result<Secured> {
        self.upstream.secure(stream, server, limit).await
    }

    /// Says in the log what the leg to the server is like, and what that means for clients, when it is not as before.
    /// Channel binding ties a login to one certificate, so that two different ones on the way make it fail.
    pub(super) fn tell(&self, server: Option<&TlsStream<TcpStream>>) {
        if self.upstream.is_off() {
            return;
        }
        let theirs = server.and_then(|stream| stream.get_ref().1.peer_certificates()?.first());
        let seen = match (server, self.client.leaf()) {
            (None, _) => Seen::Plain,
            (Some(_), None) => Seen::Tls,
            (Some(_), Some(ours)) if theirs == Some(&ours) => Seen::SameCertificate,
            (Some(_), Some(_)) => Seen::OtherCertificate,
        };
        if self.seen.swap(seen as u8, Ordering::Relaxed) == seen as u8 {
            return;
        }
        let version = server
            .and_then(|stream| stream.get_ref().1.protocol_version())
            .and_then(|version| version.as_str())
            .unwrap_or("none");
        match seen {
            Seen::Plain => tracing::warn!(
                "the upstream server offers no TLS: with upstream_tls.mode `prefer` the leg to it is plain text"
            ),
            Seen::Tls => tracing::info!(version, "the leg to the upstream server is encrypted"),
            Seen::SameCertificate => tracing::info!(
                version,
                "both legs are encrypted with the same certificate: SCRAM channel binding works"
            ),
            Seen::OtherCertificate => tracing::warn!(
                version,
                "both legs are encrypted with different certificates: a client that logs in with SCRAM and channel \
                 binding, libpq's default over TLS (psql, psycopg), is refused by the server with \"SCRAM channel \
                 binding check failed\". Three ways out: channel_binding=disable in the client's connection string; \
                 the server's own certificate and key as client_tls.cert_file and client_tls.key_file; or \
                 client_tls.mode = \"passthrough\", which shows pgscope nothing but the number of bytes"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
