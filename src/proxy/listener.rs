//! The socket that clients connect to.

use crate::proxy::address::{Address, ListenAddress};
use crate::proxy::stream::Stream;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use std::fs::{Permissions, remove_file, set_permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};

/// Connections that the kernel keeps waiting for an accept; it may itself allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 1024;

/// A bound socket. Removes its file, if it has one, when dropped.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
    /// Somebody else's: its file outlives this process.
    InheritedUnix(UnixListener, PathBuf),
}

/// A socket that somebody else bound for this process.
#[derive(Debug)]
pub enum Inherited {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Binds the first address of the name that can be bound. Must be called inside a tokio runtime.
    pub async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address.address() {
            Address::Tcp { host, port } => {
                let mut result = Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "the name has no address",
                ));
                for address in lookup_host((host.as_str(), *port)).await? {
                    result = bind_tcp(address);
                    if result.is_ok() {
                        break;
                    }
                }
                Ok(Self(Kind::Tcp(result?)))
            }
            Address::Unix(path) => Ok(Self(Kind::Unix(bind_unix(path)?, path.clone()))),
        }
    }

    /// Takes over a socket, which must be listening. Must be called inside a tokio runtime.
    pub fn inherit(socket: Inherited) -> io::Result<Self> {
        let listens = match &socket {
            Inherited::Tcp(socket) => SockRef::from(socket).is_listener()?,
            Inherited::Unix(socket) => SockRef::from(socket).is_listener()?,
        };
        if !listens {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket does not listen",
            ));
        }
        Ok(Self(match socket {
            Inherited::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                Kind::Tcp(TcpListener::from_std(socket)?)
            }
            Inherited::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                // An abstract one has no path; its name is of no use to a reader of the log.
                let path = address.as_pathname().unwrap_or(Path::new("@")).to_owned();
                Kind::InheritedUnix(UnixListener::from_std(socket)?, path)
            }
        }))
    }

    /// Where it listens, with the port that the system chose where it was asked to.
    pub fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().map(|address| Address::Tcp {
                host: address.ip().to_string(),
                port: address.port(),
            }),
            Kind::Unix(_, path) | Kind::InheritedUnix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }

    /// The next client and its address; a unix socket's client has none.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, String)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Accepted::Tcp(stream.into_std()?), peer.to_string()))
            }
            Kind::Unix(listener, _) | Kind::InheritedUnix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Accepted::Unix(stream.into_std()?), "unix".to_owned()))
            }
        }
    }
}

/// A client that no event loop watches yet: it is served by another one than it was accepted by.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Has it watched by the runtime that this is called in.
    pub(super) fn watched_here(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Kind::Unix(_, path) = &self.0 {
            // Somebody may have tidied up before us.
            let _ = remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Else a restart would have to wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Who may connect is decided by the directory and by the server, as with PostgreSQL's own sockets
    // (`unix_socket_permissions` is 0777).
    set_permissions(path, Permissions::from_mode(0o777))?;
    socket.listen(BACKLOG as i32)?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Removes a socket that nobody listens on any more: one that outlived its process. Anything else stays.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_file(path),
        _ => Ok(()),
    }
}
