//! pgscope as a process of its own, where the in-process proxy is not the real thing: signals, limits, sudden death.

use super::peer::Peer;
use super::scrape::Admin;
use super::{eventually, patience};
use pgscope::proxy::{Address, ListenAddress};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A pgscope that has this as its descriptor 3 and is told so, as a service manager does it.
pub fn started_with(socket: OwnedFd) -> Command {
    let mut command = Command::new("sh");
    let passed = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" \"$@\"";
    command
        .args(["-c", passed])
        .arg(env!("CARGO_BIN_EXE_pgscope"))
        .stdin(socket);
    command
}

/// A running `pgscope serve`. Killed when dropped.
pub struct Process {
    child: Child,
    listen: Address,
    pub admin: Admin,
    log: Arc<Mutex<String>>,
}

impl Process {
    pub fn start(upstream: &str, arguments: &[&str]) -> Self {
        Self::spawn(
            Command::new(env!("CARGO_BIN_EXE_pgscope")),
            upstream,
            arguments,
        )
    }

    /// With at most so many open files.
    pub fn start_with_files(limit: u32, upstream: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(env!("CARGO_BIN_EXE_pgscope"));
        Self::spawn(command, upstream, arguments)
    }

    /// With a command that ends in a pgscope without arguments.
    pub fn spawn(mut command: Command, upstream: &str, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--upstream", upstream])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |before: &str| {
            let line = out.next().unwrap().unwrap();
            let rest = line.split_once(before).unwrap().1;
            rest.split(',').next().unwrap().to_owned()
        };
        let listen: ListenAddress = address("listening on ").parse().unwrap();
        let admin: SocketAddr = address("on http://").parse().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut err, kept) = (child.stderr.take().unwrap(), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(bytes @ 1..) = err.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..bytes]);
                kept.lock().unwrap().push_str(&text);
            }
        });
        Self {
            child,
            listen: listen.address().clone(),
            admin: Admin::at(admin),
            log,
        }
    }

    pub fn address(&self) -> Address {
        self.listen.clone()
    }

    pub async fn connect(&self) -> Peer {
        Peer::connect(&self.address()).await
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub async fn logged(&self, text: &str) {
        eventually(text, || self.log().contains(text)).await;
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + patience();
        let mut status = None;
        eventually("the process to end", || {
            status = self.child.try_wait().unwrap();
            assert!(Instant::now() < deadline, "{}", self.log());
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
