//! What the relay owes to a TLS leg beyond a plain one.

use crate::profiler::Profiler;
use crate::proxy::aside::Watched;
use crate::proxy::catch_up::CatchUp;
use crate::proxy::clock::Clock;
use crate::proxy::pipe::Pipe;
use crate::proxy::relay::{LINGER, Relay};
use crate::proxy::stream::Stream;
use crate::proxy::tls::client::ClientLeg;
use crate::proxy::tls::settings::{ClientMode, ClientTls};
use crate::proxy::watch::Guarded;
use crate::proxy::workers::{Threads, Workers};
use socket2::SockRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, TlsStream};

/// Bytes that the sockets below cannot hold and rustls can.
const REPLY: usize = 48 * 1024;

/// A hang is a failure too.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap()
}

/// Two ends of a connection whose sockets hold next to nothing, TLS on top.
async fn pair() -> (TlsStream<TcpStream>, TlsStream<TcpStream>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("crt"), folder.path().join("key"));
    std::fs::write(&cert_file, own.cert.pem()).unwrap();
    std::fs::write(&key_file, own.signing_key.serialize_pem()).unwrap();
    let leg = ClientLeg::load(&ClientTls {
        mode: ClientMode::Terminate,
        cert_file: Some(cert_file),
        key_file: Some(key_file),
        ..ClientTls::default()
    })
    .unwrap();

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let near = TcpSocket::new_v4().unwrap();
    near.set_recv_buffer_size(4096).unwrap();
    let near = near.connect(listener.local_addr().unwrap());
    let (near, (far, _)) = tokio::try_join!(near, listener.accept()).unwrap();
    SockRef::from(&far).set_send_buffer_size(4096).unwrap();

    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(super::files::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").unwrap();
    let handshakes =
        async { tokio::try_join!(connector.connect(name, near), leg.accept(far, &[], false)) };
    let (near, far) = soon(handshakes).await.unwrap();
    (near.into(), far)
}

/// What TLS took but the socket did not must go out although nothing else happens.
#[tokio::test]
async fn the_last_bytes_leave_although_the_server_is_silent() {
    let (mut client, inner_client) = pair().await;
    let (mut server, inner_server) = UnixStream::pair().unwrap();
    let profiler = Arc::new(Profiler::default());
    let clock = Clock::start();
    let tap = profiler.open("test", clock.now());
    let watched = Arc::clone(&profiler);
    let relay = tokio::spawn(async move {
        let workers = Workers::new(Threads::only_this(), &Arc::default());
        let _running = workers.start(&CatchUp::default());
        let seat = workers.seat().unwrap();
        let relay = Relay {
            client: Stream::Tls(Box::new(inner_client)),
            server: Stream::Unix(inner_server),
            frontend: Pipe::frontend(),
            backend: Pipe::backend(),
            watch: Watched::new(
                Guarded::new(tap, Arc::clone(watched.traffic()), clock),
                seat.aside(),
            ),
            clock,
            idle: seat.alarm(),
            linger: LINGER,
        };
        relay.run().await
    });
    server.write_all(&[7; REPLY]).await.unwrap();
    // All of it is taken before any of it is read: it is rustls that holds it.
    soon(async {
        while profiler.traffic().bytes().1 < REPLY as u64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut read = vec![0; REPLY];
    soon(client.read_exact(&mut read)).await.unwrap();
    assert!(read.iter().all(|byte| *byte == 7));
    relay.abort();
}
