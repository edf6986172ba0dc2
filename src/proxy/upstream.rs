//! The way to a server.

use crate::proxy::address::Address;
use crate::proxy::clock::Clock;
use crate::proxy::pipe::Pipe;
use crate::proxy::shared::Shared;
use crate::proxy::stream::Stream;
use crate::proxy::tls::Secured;
use crate::proxy::unreachable::Unreachable;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

type Connecting = Pin<Box<dyn Future<Output = Result<(Stream, Server), Unreachable>> + Send>>;

/// One server, once its name is an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Server {
    /// Which of `upstream`.
    index: usize,
    /// `None` is its unix socket.
    address: Option<SocketAddr>,
}

/// The server's side of a connection that is being set up. Does nothing until it is awaited for the first time.
pub(super) enum Upstream {
    Connecting(Connecting),
    Connected(Stream, Server),
    Failed(Unreachable),
}

impl Upstream {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self::Connecting(Box::pin(async move { connect(&shared).await }))
    }

    /// Goes to this server and no other, unless that is where it is already.
    pub(super) async fn redirect(&mut self, server: Server, shared: Arc<Shared>) {
        // The first one is where it is probably going, and a second connection would only be noise in the server's log.
        // On its way to any other it may have to wait for a server that does not answer.
        if server.index == 0 {
            let _ = self.connected().await;
        }
        if matches!(self, Self::Connected(_, connected) if *connected == server) {
            return;
        }
        *self = Self::Connecting(Box::pin(async move {
            let result = open(&shared, server).await;
            result
                .map(|stream| (stream, server))
                .map_err(|error| shared.attempt(server.index, server.address, error).into())
        }));
    }

    /// The stream, when it is there, or why there will be none. May be dropped and called again.
    pub(super) async fn connected(&mut self) -> Result<&mut Stream, &Unreachable> {
        if let Self::Connecting(connecting) = self {
            *self = match connecting.await {
                Ok((stream, server)) => Self::Connected(stream, server),
                Err(error) => Self::Failed(error),
            };
        }
        match self {
            Self::Connected(stream, _) => Ok(stream),
            Self::Failed(error) => Err(error),
            // Replaced above.
            Self::Connecting(_) => pending().await,
        }
    }

    /// Waits until the server says something unasked or ends; what it said is then held by the pipe.
    /// Waits for ever where no server can be reached.
    pub(super) async fn spoke(&mut self, backend: &mut Pipe, clock: &Clock) {
        match self.connected().await {
            // The end and errors are met again by the relay.
            Ok(stream) => {
                if let Ok(bytes) = stream.read(backend.space()).await {
                    backend.received(bytes, clock.now());
                }
            }
            Err(_) => pending().await,
        }
    }
}

/// Whether a server accepts a connection now, with TLS where that is wanted; it is closed at once. Each server is tried, all
/// at the same time, and the first that answers will do. Counts as an attempt for `upstream_up`, and tells in the log
/// what the TLS of a server means for clients.
pub async fn probe(shared: &Arc<Shared>) -> Result<(), Unreachable> {
    let mut attempts = JoinSet::new();
    for index in 0..shared.upstream.all().len() {
        let shared = Arc::clone(shared);
        attempts.spawn(async move {
            let result = try_server(&shared, index).await;
            match &result {
                Ok((Stream::Tls(stream), _)) => shared.tls.tell(Some(stream)),
                Ok(_) => shared.tls.tell(None),
                Err(_) => {}
            }
            (index, result.map(drop))
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok((_, Ok(()))) => {
                // The others are reported too, but nobody waits for them, and no more than one such crowd is let be.
                if let Some(permit) = shared.look_around() {
                    tokio::spawn(async move {
                        while attempts.join_next().await.is_some() {}
                        drop(permit);
                    });
                }
                return Ok(());
            }
            Ok((index, Err(error))) => failed.push((index, error)),
            Err(_) => {}
        }
    }
    failed.sort_unstable_by_key(|(index, _)| *index);
    Err(failed.into_iter().map(|(_, error)| error).collect())
}

/// A new connection to a server, for pgscope's own use. Counts as an attempt for `upstream_up`.
pub async fn dial(shared: &Shared) -> Result<Stream, Unreachable> {
    connect(shared).await.map(|(stream, _)| stream)
}

/// A connection to the first server that can be reached.
async fn connect(shared: &Shared) -> Result<(Stream, Server), Unreachable> {
    let mut failed = Unreachable::default();
    for index in 0..shared.upstream.all().len() {
        match try_server(shared, index).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failed.extend(error),
        }
    }
    Err(failed)
}

/// A connection to this server. Its name is resolved anew, so that a server that moved is found, and each of its
/// addresses is tried in turn.
async fn try_server(shared: &Shared, index: usize) -> Result<(Stream, Server), Unreachable> {
    let mut failed = Unreachable::default();
    let result = match addresses(shared, index).await {
        Err(error) => {
            failed.push(shared.attempt(index, None, error));
            None
        }
        Ok(addresses) => {
            let mut connected = None;
            for address in addresses {
                let server = Server { index, address };
                match open(shared, server).await {
                    Ok(stream) => {
                        connected = Some((stream, server));
                        break;
                    }
                    Err(error) => failed.push(shared.attempt(index, address, error)),
                }
            }
            connected
        }
    };
    shared.report_upstream(index, result.is_some(), &failed);
    result.ok_or(failed)
}

/// The addresses of a server as its name is resolved now; `None` is its unix socket.
async fn addresses(shared: &Shared, index: usize) -> io::Result<Vec<Option<SocketAddr>>> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let server = shared.upstream.all().get(index).ok_or_else(none)?;
    let Address::Tcp { host, port } = server.address() else {
        return Ok(vec![None]);
    };
    let limit = shared.settings.connect_timeout.0;
    let found = within(limit, shared.resolver.look_up(host, *port)).await?;
    if found.is_empty() {
        return Err(none());
    }
    Ok(found.into_iter().map(Some).collect())
}

/// A connection to this address, encrypted as `[upstream_tls]` says.
async fn open(shared: &Shared, server: Server) -> io::Result<Stream> {
    let stream = match reach(shared, server).await? {
        Stream::Tcp(stream) if !shared.tls.is_upstream_off() => stream,
        stream => return Ok(stream),
    };
    let limit = shared.settings.connect_timeout.0;
    match shared.tls.secure(stream, server.index, limit).await? {
        Secured::Tls(stream) => Ok(Stream::Tls(stream)),
        Secured::Plain(stream) => Ok(Stream::Tcp(stream)),
        Secured::Retry => reach(shared, server).await,
    }
}

async fn reach(shared: &Shared, server: Server) -> io::Result<Stream> {
    let limit = shared.settings.connect_timeout.0;
    let named = shared.upstream.all().get(server.index);
    let stream = match (server.address, named.map(|named| named.address())) {
        (Some(address), _) => Stream::Tcp(within(limit, TcpStream::connect(address)).await?),
        (None, Some(Address::Unix(path))) => {
            Stream::Unix(within(limit, UnixStream::connect(path)).await?)
        }
        (None, _) => return Err(io::ErrorKind::AddrNotAvailable.into()),
    };
    stream.configure(&shared.settings)?;
    Ok(stream)
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(limit);
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {limit}"),
        ))
    })
}
