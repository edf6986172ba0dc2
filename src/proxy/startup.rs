//! The dialogue before the relay: from the first byte to the first packet that is the server's business alone.
//!
//! A client may ask for encryption before it says who it is (manual, "Message Flow", "SSL Session Encryption"). What an
//! SSLRequest gets is set by `client_tls.mode`: `N`, the server's answer, or TLS that ends here, in which the dialogue
//! goes on. A GSSENCRequest is put to the server, since its refusal costs nothing and its consent is the server's to
//! give; where pgscope itself speaks TLS on either leg the answer is `N`, as nobody can use both. Both may come, in any
//! order, each once. All other first packets, broken ones too, are the relay's.

use crate::proxy::clock::Clock;
use crate::proxy::pipe::Pipe;
use crate::proxy::stream::Stream;
use crate::proxy::tls::{ClientMode, Tls};
use crate::proxy::upstream::Upstream;
use crate::proxy::watch::{Guarded, Watch};
use crate::wire::{FirstPacket, first_packet};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// SSLRequest and GSSENCRequest.
const REQUEST_LENGTH: usize = 8;

/// How the dialogue ended. What was read and not dealt with is held by the pipes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    /// A StartupMessage of protocol 3 is held.
    Startup,
    /// A CancelRequest is held.
    Cancel,
    /// The rest is for the two peers to sort out.
    Opaque,
    /// So it is, and they encrypt it.
    Encrypted,
    /// The client sent more than an SSLRequest before it heard the answer. Somebody else may have put that there, for
    /// it to be taken for what comes encrypted (CVE-2021-23214).
    Smuggled,
    /// The client left without having asked for anything.
    Gone,
}

/// A connection that is not a relay yet.
pub(super) struct Startup<'c, W: Watch> {
    pub(super) frontend: &'c mut Pipe,
    pub(super) backend: &'c mut Pipe,
    pub(super) upstream: &'c mut Upstream,
    pub(super) watch: &'c mut Guarded<W>,
    pub(super) clock: &'c Clock,
    pub(super) tls: &'c Tls,
    /// The server is not to be troubled: the client will be refused.
    pub(super) refused: bool,
}

impl<W: Watch> Startup<'_, W> {
    /// Connects to the server and, at the same time, hears the client out. An error is the client's socket's.
    pub(super) async fn run(mut self, mut client: Stream) -> io::Result<(Stream, Opening)> {
        let (mut ssl_answered, mut gss_asked) = (false, false);
        loop {
            let held = self.frontend.held().0;
            let opening = match first_packet(held) {
                FirstPacket::Incomplete(_) => self.read(&mut client).await?,
                FirstPacket::Ssl if !ssl_answered => {
                    ssl_answered = true;
                    match self.mode_for(&client) {
                        ClientMode::Refuse => self.answer_no(&mut client).await?,
                        ClientMode::Passthrough => self.ask(&mut client).await?,
                        ClientMode::Terminate if held.len() > REQUEST_LENGTH => {
                            Some(Opening::Smuggled)
                        }
                        ClientMode::Terminate => {
                            self.frontend.consume(REQUEST_LENGTH);
                            client.write_all(b"S").await?;
                            client = self.decrypt(client, false).await?;
                            None
                        }
                    }
                }
                FirstPacket::Gss if !gss_asked => {
                    gss_asked = true;
                    if client.is_encrypted() || !self.tls.is_upstream_off() {
                        self.answer_no(&mut client).await?
                    } else {
                        self.ask(&mut client).await?
                    }
                }
                FirstPacket::DirectTls if !ssl_answered && !gss_asked => {
                    if self.mode_for(&client) == ClientMode::Terminate {
                        client = self.decrypt(client, true).await?;
                        None
                    } else {
                        Some(Opening::Encrypted)
                    }
                }
                FirstPacket::Startup(_) => Some(Opening::Startup),
                FirstPacket::Cancel(_) => Some(Opening::Cancel),
                FirstPacket::Ssl
                | FirstPacket::Gss
                | FirstPacket::DirectTls
                | FirstPacket::Unknown => Some(Opening::Opaque),
            };
            if let Some(opening) = opening {
                return Ok((client, opening));
            }
        }
    }

    /// What a request for TLS gets on this connection. PostgreSQL has none on a unix socket, and none within TLS.
    fn mode_for(&self, client: &Stream) -> ClientMode {
        match (self.tls.client_mode(), client) {
            (ClientMode::Terminate, Stream::Unix(_)) | (_, Stream::Tls(_)) => ClientMode::Refuse,
            (mode, _) => mode,
        }
    }

    /// Begins TLS with the client; what is held is the beginning of its handshake.
    async fn decrypt(&mut self, client: Stream, direct: bool) -> io::Result<Stream> {
        let Stream::Tcp(socket) = client else {
            return Ok(client);
        };
        let head = self.frontend.held().0;
        let stream = self.tls.accept(socket, head, direct).await?;
        self.frontend.consume(head.len());
        Ok(Stream::Tls(Box::new(stream)))
    }

    async fn answer_no(&mut self, client: &mut Stream) -> io::Result<Option<Opening>> {
        self.frontend.consume(REQUEST_LENGTH);
        client.write_all(b"N").await?;
        Ok(None)
    }

    /// Reads more of the first packet. A server that speaks or ends before it was asked ends the dialogue: a client
    /// must not wait for its own first packet to hear it.
    async fn read(&mut self, client: &mut Stream) -> io::Result<Option<Opening>> {
        let bytes = tokio::select! {
            // First, so that the connection is on its way before the client's bytes are looked at.
            biased;
            () = self.upstream.spoke(self.backend, self.clock), if !self.refused => {
                return Ok(Some(Opening::Opaque));
            }
            bytes = client.read(self.frontend.space()) => bytes?,
        };
        if bytes == 0 {
            let opening = match self.frontend.held().0 {
                [] => Opening::Gone,
                _ => Opening::Opaque,
            };
            return Ok(Some(opening));
        }
        self.frontend.received(bytes, self.clock.now());
        Ok(None)
    }

    /// Puts a request for encryption to the server and hands its answer back. After any answer but `N`, and where the
    /// client did not wait for it, the bytes are not ours to read.
    async fn ask(&mut self, client: &mut Stream) -> io::Result<Option<Opening>> {
        if self.frontend.held().0.len() > REQUEST_LENGTH && !self.refused {
            return Ok(Some(Opening::Opaque));
        }
        let server = match self.upstream.connected().await {
            Ok(server) if !self.refused => server,
            // Nobody to ask; the client goes on to its StartupMessage and is told then.
            _ => return self.answer_no(client).await,
        };
        let (request, at) = self.frontend.held();
        let sent = server.write_all(request).await;
        self.watch.frontend(request, at);
        self.frontend.consume(REQUEST_LENGTH);
        let answered = match sent {
            Ok(()) => tokio::select! {
                biased;
                bytes = server.read(self.backend.space()) => bytes,
                // It does not wait for the answer, or is gone, which the server must hear as soon as without pgscope.
                bytes = client.read(self.frontend.space()) => {
                    self.frontend.received(bytes?, self.clock.now());
                    return Ok(Some(Opening::Opaque));
                }
            },
            Err(error) => Err(error),
        };
        if let Ok(bytes) = answered {
            self.backend.received(bytes, self.clock.now());
        }
        let (answer, at) = self.backend.held();
        match answer {
            b"N" => {}
            [b'S' | b'G', ..] => return Ok(Some(Opening::Encrypted)),
            _ => return Ok(Some(Opening::Opaque)),
        }
        client.write_all(answer).await?;
        self.watch.backend(answer, at, 0);
        self.backend.consume(1);
        Ok(None)
    }
}
