//! The metrics as Prometheus reads them: over HTTP, from the real admin server, in the text format.

use super::proxy::Proxy;
use super::{eventually_async, within};
use pgscope::admin::{AdminState, CaughtUp, Check, Readiness, Settings, serve};
use pgscope::proxy::{Address, probe};
use pgscope::session::At;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The admin server beside a proxy.
pub struct Admin(SocketAddr);

/// One line of the text format.
#[derive(Debug)]
pub struct Series {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// All of one answer.
#[derive(Debug)]
pub struct Scrape(pub Vec<Series>);

impl Admin {
    /// Starts one; it ends with the test.
    pub async fn of(proxy: &Proxy) -> Self {
        let shared = proxy.shared_arc();
        let readiness = Readiness::default();
        readiness.set_listening();
        let (asked, relay) = (Arc::clone(&shared), Arc::clone(&shared));
        let state = AdminState {
            source: Arc::clone(&shared.profiler) as _,
            relay: Arc::new(move || -> CaughtUp {
                let shared = Arc::clone(&relay);
                Box::pin(async move { shared.catch_up.wait().await })
            }),
            readiness: Arc::new(readiness),
            health: Arc::new(move || -> Check {
                let shared = Arc::clone(&asked);
                Box::pin(async move { probe(&shared).await.map_err(|error| error.to_string()) })
            }),
            base: shared.clock.time_of_day(At(0)),
            upstreams: Arc::clone(&shared.upstreams),
            settings: Settings::default(),
            profiling: true,
            token: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, state, std::future::pending()));
        Self(address)
    }

    /// That of a pgscope in another process.
    pub fn at(address: SocketAddr) -> Self {
        Self(address)
    }

    pub fn address(&self) -> Address {
        Address::Tcp {
            host: self.0.ip().to_string(),
            port: self.0.port(),
        }
    }

    pub async fn get(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.0);
        let mut text = String::new();
        within("an answer of the admin server", async {
            let mut stream = TcpStream::connect(self.0).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.read_to_string(&mut text).await.unwrap();
        })
        .await;
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains("transfer-encoding: chunked") => {
                format!("{head}\r\n\r\n{}", joined(body))
            }
            _ => text,
        }
    }

    pub async fn scrape(&self) -> Scrape {
        let text = self.get("/metrics").await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Scrape::parse(body)
    }

    /// Scrapes until the condition holds.
    pub async fn eventually(&self, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
        eventually_async(what, async || {
            let scrape = self.scrape().await;
            holds(&scrape).then_some(scrape)
        })
        .await
    }
}

/// The chunks of a body, which the last one, of length 0, shows to be complete.
fn joined(mut body: &str) -> String {
    let mut text = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n").unwrap();
        let (chunk, rest) = rest.split_at(usize::from_str_radix(length, 16).unwrap());
        if chunk.is_empty() {
            return text;
        }
        text.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap();
    }
}

impl Scrape {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.map(Series::parse).collect())
    }

    /// Of a metric, the series with these labels, whatever their others.
    pub fn series<'s>(
        &'s self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> impl Iterator<Item = &'s Series> {
        let name = format!("pgscope_{name}");
        self.0.iter().filter(move |series| {
            series.name == name
                && labels
                    .iter()
                    .all(|(key, value)| series.labels.get(*key).is_some_and(|has| has == value))
        })
    }

    /// Their sum; 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|series| series.value).sum()
    }
}

impl Series {
    fn parse(line: &str) -> Self {
        let (head, value) = line.rsplit_once(' ').unwrap();
        let (name, rest) = head.split_once('{').unwrap_or((head, ""));
        let mut labels = BTreeMap::new();
        let mut rest = rest.trim_end_matches('}');
        while let Some((key, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut chars = after.chars();
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => match chars.next().unwrap() {
                        'n' => value.push('\n'),
                        other => value.push(other),
                    },
                    other => value.push(other),
                }
            }
            labels.insert(key.trim_start_matches(',').to_owned(), value);
            rest = chars.as_str();
        }
        Self {
            name: name.to_owned(),
            labels,
            value: value.parse().unwrap(),
        }
    }
}
