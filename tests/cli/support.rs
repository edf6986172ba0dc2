//! Runs the binary with an empty environment.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long to wait for what must happen. Raise it with `PATIENCE` (seconds) on a slow machine.
fn patience() -> Duration {
    let seconds = std::env::var("PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// Waits until `found` finds something.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub fn pgscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgscope"));
    command.env_clear().args(arguments);
    command
}

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn run(command: &mut Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A configuration file in a directory of its own.
pub struct File {
    pub path: PathBuf,
    _directory: TempDir,
}

impl File {
    pub fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pgscope.toml");
        std::fs::write(&path, text).unwrap();
        Self {
            path,
            _directory: directory,
        }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn check(&self) -> Said {
        run(&mut pgscope(&["check", self.path()]))
    }
}

/// A running `serve`; stopped at the latest when the test ends.
pub struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub lines: Vec<String>,
}

impl Serving {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = pgscope(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let mut child = command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let mut lines = vec![String::new(), String::new()];
        for line in &mut lines {
            out.read_line(line).unwrap();
        }
        let address = |line: &str, before: &str| {
            let rest = line
                .split_once(before)
                .unwrap_or_else(|| panic!("no `{before}` in `{line}`"))
                .1;
            rest.split([',', '\n']).next().unwrap().parse().unwrap()
        };
        Self {
            listen: address(&lines[0], "listening on "),
            admin: address(&lines[1], "on http://"),
            child,
            out,
            err,
            lines,
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Standard error up to the line that holds `text`.
    pub fn log_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            assert_ne!(
                self.err.read_line(&mut read).unwrap(),
                0,
                "ended without `{text}`: {read}"
            );
        }
        read
    }

    /// Waits for the end: the exit code, and what else was printed.
    pub fn end(mut self) -> Said {
        let child = &mut self.child;
        let status = eventually("the process ends", || child.try_wait().unwrap());
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        Said {
            code: status.code().unwrap_or(-1),
            out,
            err,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is taken for as long as the listener lives.
pub fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}
