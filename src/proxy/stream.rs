//! A byte stream to a client or to the server.

use crate::proxy::settings::Settings;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// TCP, plain or encrypted, or a unix socket. An enum, so that no call on the way of a query is a virtual one.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// TLS over TCP; in a box, so that those without it do not carry its size.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// What is read and written here is encrypted on its way.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Turns off Nagle's algorithm, as libpq and PostgreSQL do (else small messages wait for delayed
    /// acknowledgements), and turns on keep-alive. A unix socket has neither; TLS is begun on a socket that has both.
    pub(super) fn configure(&self, settings: &Settings) -> io::Result<()> {
        let Self::Tcp(stream) = self else {
            return Ok(());
        };
        stream.set_nodelay(true)?;
        if settings.keepalive_idle.0.is_zero() {
            return Ok(());
        }
        SockRef::from(stream).set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(settings.keepalive_idle.0)
                .with_interval(settings.keepalive_interval.0)
                .with_retries(settings.keepalive_count),
        )
    }
}

macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::units::Period;
    use std::time::Duration;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn tcp_gets_no_delay_and_keep_alive() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async || {
            let address = listener.local_addr().unwrap();
            Stream::Tcp(TcpStream::connect(address).await.unwrap())
        };
        let socket = |stream: &Stream| match stream {
            Stream::Tcp(stream) => SockRef::from(stream).try_clone().unwrap(),
            Stream::Unix(_) | Stream::Tls(_) => unreachable!("made above"),
        };

        let stream = connect().await;
        stream.configure(&Settings::default()).unwrap();
        let configured = socket(&stream);
        assert!(configured.tcp_nodelay().unwrap());
        assert!(configured.keepalive().unwrap());
        assert_eq!(
            configured.tcp_keepalive_time().unwrap(),
            Duration::from_secs(60)
        );
        assert_eq!(
            configured.tcp_keepalive_interval().unwrap(),
            Duration::from_secs(30)
        );
        assert_eq!(configured.tcp_keepalive_retries().unwrap(), 10);

        let stream = connect().await;
        let without = Settings {
            keepalive_idle: Period::default(),
            ..Settings::default()
        };
        stream.configure(&without).unwrap();
        assert!(socket(&stream).tcp_nodelay().unwrap());
        assert!(!socket(&stream).keepalive().unwrap());
    }
}
