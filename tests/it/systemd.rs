//! What passes between a service manager and pgscope: a socket in, states out.

use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::process::{Process, started_with};
use crate::support::within;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Where pgscope says how it is.
struct Manager {
    socket: tokio::net::UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: tokio::net::UnixDatagram::from_std(socket).unwrap(),
            folder,
        }
    }

    /// What to start pgscope with.
    fn command(&self, socket: Option<OwnedFd>) -> Command {
        let mut command = match socket {
            Some(socket) => started_with(socket),
            None => Command::new(env!("CARGO_BIN_EXE_pgscope")),
        };
        command.env("NOTIFY_SOCKET", self.folder.path().join("notify"));
        command
    }

    /// The next message, line by line.
    async fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = within("a notification", self.socket.recv(&mut buffer)).await;
        let text = std::str::from_utf8(&buffer[..length.unwrap()]).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn systemd_hears_of_start_reload_and_drain() {
    let upstream = Backend::tcp().await.serve();
    let manager = Manager::new();
    let mut pgscope = Process::spawn(
        manager.command(None),
        &upstream,
        &["--shutdown-grace", "1h"],
    );
    let status = format!("STATUS=Forwarding {} to {upstream}", pgscope.address());
    assert_eq!(manager.heard().await, ["READY=1", &status]);
    let app = App::start(pgscope.connect().await, "app", "cellar").await;

    pgscope.signal("HUP");
    let [reloading, clock] = &manager.heard().await[..] else {
        panic!("a state and its time");
    };
    assert_eq!(reloading, "RELOADING=1");
    let clock = clock.strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(clock.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.heard().await, ["READY=1", &status]);

    pgscope.signal("TERM");
    let draining = "STATUS=Draining, for 1h at most";
    assert_eq!(manager.heard().await, ["STOPPING=1", draining]);
    app.quit().await;
    assert_eq!(pgscope.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_tcp_socket_that_was_passed_is_served_instead_of_listen() {
    let upstream = Backend::tcp().await.serve();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It came before pgscope was there.
    let early = TcpStream::connect(address).unwrap();
    let manager = Manager::new();
    let socket = listener.try_clone().unwrap().into();
    let pgscope = Process::spawn(manager.command(Some(socket)), &upstream, &[]);
    assert_eq!(pgscope.address().to_string(), address.to_string());
    assert_eq!(manager.heard().await[0], "READY=1");
    early.set_nonblocking(true).unwrap();
    let early = tokio::net::TcpStream::from_std(early).unwrap();
    let early = crate::support::peer::Peer::new(pgscope::proxy::Stream::Tcp(early));
    let mut app = App::start(early, "app", "cellar").await;
    assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
}

#[tokio::test]
async fn a_unix_socket_that_was_passed_outlives_pgscope() {
    let upstream = Backend::tcp().await.serve();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".s.PGSQL.6432");
    let listener = UnixListener::bind(&path).unwrap();
    let manager = Manager::new();
    for _ in 0..2 {
        let socket = listener.try_clone().unwrap().into();
        let mut pgscope = Process::spawn(manager.command(Some(socket)), &upstream, &[]);
        assert_eq!(pgscope.address().to_string(), path.display().to_string());
        let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
        assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
        app.quit().await;
        pgscope.signal("TERM");
        assert_eq!(pgscope.ended().await.code(), Some(0));
        assert!(path.exists(), "it is the manager's");
    }
}

#[test]
fn what_is_no_listening_stream_socket_is_refused() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    for (socket, reason) in [
        (datagrams.into(), "it is no stream socket"),
        (file.unwrap().into(), "it is no stream socket"),
        (silent.into(), "the socket does not listen"),
    ] {
        let said = started_with(socket)
            .args([
                "serve",
                "--upstream",
                "127.0.0.1:1",
                "--admin",
                "127.0.0.1:0",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        assert!(
            text.starts_with(&format!(
                "error: cannot use what was passed with LISTEN_FDS: {reason}\n  hint: "
            )),
            "{text}"
        );
        assert_eq!(said.status.code(), Some(1));
    }
}
