//! The leg to the server: pgscope as a TLS client, as libpq with the same `sslmode` would be.

use crate::proxy::address::Address;
use crate::proxy::servers::UpstreamList;
use crate::proxy::tls::error::{TlsError, Unencrypted};
use crate::proxy::tls::files::{ALPN, certificates, private_key, provider};
use crate::proxy::tls::settings::{UpstreamMode, UpstreamTls};
use crate::proxy::tls::verify::{Anyone, Signed};
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, TlsStream};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Most bytes of an error that a server says instead of an answer to SSLRequest; libpq takes no more either.
const LONGEST_ERROR: u64 = 8192;

/// How to speak with the server.
#[derive(Debug, Default)]
pub(super) struct UpstreamLeg {
    settings: UpstreamTls,
    /// By server: the name that its certificate must be for; a unix socket has no TLS. Empty where TLS is off.
    targets: Vec<Option<ServerName<'static>>>,
    config: RwLock<Option<Arc<ClientConfig>>>,
}

/// What came of an attempt to encrypt.
#[derive(Debug)]
pub(in crate::proxy) enum Secured {
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
    /// The server has no TLS and need not have it.
    Plain(TcpStream),
    /// The handshake failed and TLS need not be: connect anew without it.
    Retry,
}

impl UpstreamLeg {
    pub(super) fn load(settings: &UpstreamTls, upstream: &UpstreamList) -> Result<Self, TlsError> {
        if settings.mode == UpstreamMode::Disable {
            return Ok(Self::default());
        }
        let mut targets = Vec::new();
        for server in upstream.all() {
            targets.push(match server.address() {
                Address::Tcp { host, .. } => Some(target(settings, host)?),
                Address::Unix(_) => None,
            });
        }
        if targets.iter().all(Option::is_none) {
            return Ok(Self::default());
        }
        Ok(Self {
            targets,
            config: RwLock::new(Some(config(settings)?)),
            settings: settings.clone(),
        })
    }

    /// Reads the files again. Where one is bad the old ones stay.
    pub(super) fn reload(&self) -> Result<(), TlsError> {
        if self.is_off() {
            return Ok(());
        }
        let new = config(&self.settings)?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(())
    }

    pub(super) fn is_off(&self) -> bool {
        self.targets.is_empty()
    }

    /// Encrypts a connection of which no byte was used. `limit` for each wait.
    pub(super) async fn secure(
        &self,
        mut stream: TcpStream,
        server: usize,
        limit: Duration,
    ) -> io::Result<Secured> {
        let config = self
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (Some(Some(target)), Some(config)) = (self.targets.get(server), config) else {
            return Ok(Secured::Plain(stream));
        };
        let late = || {
            Err(Unencrypted::because(
                format!(
                    "no TLS: the server did not answer within {}",
                    humantime::format_duration(limit)
                ),
                "Is it PostgreSQL that listens there?",
            ))
        };
        if !self.settings.direct {
            match timeout(limit, ask(&mut stream)).await {
                Err(_) => return late(),
                Ok(Err(error)) => return Err(Unencrypted::handshake(&error)),
                Ok(Ok(b'S')) => {}
                Ok(Ok(b'N')) if self.settings.mode == UpstreamMode::Prefer => {
                    return Ok(Secured::Plain(stream));
                }
                Ok(Ok(b'N')) => {
                    return Err(Unencrypted::because(
                        "no TLS: the server does not offer it",
                        "Turn on ssl in postgresql.conf, or set mode in pgscope's [upstream_tls] to prefer.",
                    ));
                }
                Ok(Ok(b'E')) => return Err(self.error(stream, limit).await),
                Ok(Ok(_)) => {
                    return Err(Unencrypted::because(
                        "no TLS: the answer to SSLRequest is not one of PostgreSQL's",
                        "Is it PostgreSQL that listens there?",
                    ));
                }
            }
        }
        let connector = TlsConnector::from(config);
        match timeout(limit, connector.connect(target.clone(), stream)).await {
            Ok(Ok(stream))
                if self.settings.direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) =>
            {
                Err(Unencrypted::because(
                    "no TLS: the server did not agree to the application protocol `postgresql`",
                    "direct = true needs PostgreSQL 17 or newer.",
                ))
            }
            Ok(Ok(stream)) => Ok(Secured::Tls(Box::new(stream.into()))),
            _ if self.settings.mode == UpstreamMode::Prefer => Ok(Secured::Retry),
            Ok(Err(error)) => Err(Unencrypted::handshake(&error)),
            Err(_) => late(),
        }
    }

    /// A server that cannot even fork says so in the words of protocol 2, in answer to whatever it was sent. They are
    /// passed on, but not where the server has to prove who it is: nobody has (CVE-2024-10977).
    async fn error(&self, stream: TcpStream, limit: Duration) -> io::Error {
        let verifies = self.settings.root_cert_file.is_some();
        let mut words = b"E".to_vec();
        let mut rest = stream.take(LONGEST_ERROR);
        // What came before the end of the time, or of the connection, is what there is.
        let _ = timeout(limit, rest.read_to_end(&mut words)).await;
        Unencrypted::with_words(
            "no TLS: the server answered SSLRequest with an error",
            "The server's log tells more.",
            (!verifies).then_some(words),
        )
    }
}

/// The name that the certificate of a host must be for.
fn target(settings: &UpstreamTls, host: &String) -> Result<ServerName<'static>, TlsError> {
    let name = settings.server_name.as_ref().unwrap_or(host);
    ServerName::try_from(name.clone()).map_err(|_| TlsError {
        what: format!("`{name}` is neither a DNS name nor an IP address, as TLS wants it"),
        hint: "set `upstream_tls.server_name` to the name in the server's certificate".into(),
    })
}

/// One byte, and not one more: what follows it may be TLS already.
async fn ask(stream: &mut TcpStream) -> io::Result<u8> {
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await
}

fn config(settings: &UpstreamTls) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let refused = |error: tokio_rustls::rustls::Error| {
        TlsError {
        what: format!("`upstream_tls.cert_file` and `upstream_tls.key_file` cannot be used: {error}"),
        hint: "give an X.509 version 3 certificate, first in its file, and the private key that belongs to it".into(),
    }
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .dangerous();
    let builder = match &settings.root_cert_file {
        None => builder.with_custom_certificate_verifier(Arc::new(Anyone(provider))),
        Some(path) => {
            let known = certificates("upstream_tls.root_cert_file", path)?;
            let mut roots = RootCertStore::empty();
            // Lists of public authorities hold some that rustls does not read.
            let (added, _) = roots.add_parsable_certificates(known.iter().cloned());
            if added == 0 {
                return Err(TlsError {
                    what: format!(
                        "`upstream_tls.root_cert_file` {}: none of its certificates can be read",
                        path.display()
                    ),
                    hint: "give X.509 certificates of authorities".into(),
                });
            }
            let full = settings.mode == UpstreamMode::VerifyFull;
            builder.with_custom_certificate_verifier(Arc::new(Signed {
                provider,
                roots,
                known,
                full,
            }))
        }
    };
    let mut config = match (&settings.cert_file, &settings.key_file) {
        (Some(cert_file), Some(key_file)) => builder
            .with_client_auth_cert(
                certificates("upstream_tls.cert_file", cert_file)?,
                private_key("upstream_tls.key_file", key_file)?,
            )
            .map_err(refused)?,
        _ => builder.with_no_client_auth(),
    };
    // libpq names the protocol too, however TLS is begun.
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
