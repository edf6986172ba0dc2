//! Signals while queries are under way: none of them is lost.

use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::messages::{TERMINATE, done, message, query, startup, welcome};
use crate::support::peer::Peer;
use crate::support::process::Process;
use crate::support::scrape::Scrape;
use crate::support::{eventually, eventually_async};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::task::JoinHandle;

/// Clients that ask without a pause until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    async fn start(pgscope: &Process) -> Self {
        let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            clients.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                app.quit().await;
            }));
        }
        let load = Self {
            stop,
            answers,
            clients,
        };
        load.goes_on().await;
        load
    }

    /// Waits for a hundred more answers.
    async fn goes_on(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        eventually("more answers", || {
            self.answers.load(Ordering::Relaxed) > before + 100
        })
        .await;
    }

    /// Each client had an answer to each query.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        self.answers.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn sigterm_lets_open_connections_finish_and_takes_no_new_ones() {
    let upstream = Backend::tcp().await.serve();
    let mut pgscope = Process::start(&upstream, &["--shutdown-grace", "1h"]);
    let load = Load::start(&pgscope).await;
    pgscope.signal("TERM");
    eventually_async("new connections to be refused", async || {
        Peer::try_connect(&pgscope.address())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    let ready = pgscope.admin.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    load.goes_on().await;
    let answers = load.end().await;
    assert!(answers > 200);
    assert_eq!(pgscope.ended().await.code(), Some(0));
}

#[tokio::test]
async fn whatever_the_number_of_threads_every_query_is_counted_and_every_connection_ends() {
    let upstream = Backend::tcp().await.serve();
    for threads in ["1", "2", "5"] {
        let arguments = ["--shutdown-grace", "1h", "--proxy-threads", threads];
        let mut pgscope = Process::start(&upstream, &arguments);
        let load = Load::start(&pgscope).await;
        load.goes_on().await;
        let answers = load.end().await as f64;
        let all = |scrape: &Scrape| {
            scrape.sum("queries_total", &[("status", "ok")]) == answers
                && scrape.sum("connections_open", &[]) == 0.0
        };
        pgscope.admin.eventually("all queries", all).await;
        pgscope.signal("TERM");
        assert_eq!(pgscope.ended().await.code(), Some(0), "{threads}");
    }
}

#[tokio::test]
async fn a_query_under_way_is_answered_through_reload_and_drain() {
    let backend = Backend::tcp().await;
    let mut pgscope = Process::start(&backend.address(), &["--shutdown-grace", "1h"]);
    // pgscope looks first whether the server is there.
    backend.accept().await.expect_end().await;
    let mut client = pgscope.connect().await;
    let mut server = backend.accept().await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(&welcome()).await;
    client.expect(&welcome()).await;
    client.send(&query("SELECT a FROM b")).await;
    server.expect(&query("SELECT a FROM b")).await;
    let row = message(b'D', &[7; 200]);
    server.send(&row[..100]).await;
    client.expect(&row[..100]).await;

    pgscope.signal("HUP");
    pgscope.logged("configuration read again").await;
    server.send(&row[100..150]).await;
    client.expect(&row[100..150]).await;
    pgscope.signal("TERM");
    pgscope.logged("open connections may go on").await;
    server.send(&[&row[150..], &done()].concat()).await;
    client.expect(&[&row[150..], &done()].concat()).await;
    let one = |scrape: &Scrape| scrape.sum("queries_total", &[("status", "ok")]) == 1.0;
    pgscope.admin.eventually("the query", one).await;
    client.send(&TERMINATE).await;
    server.expect(&TERMINATE).await;
    drop(server);
    client.expect_end().await;
    assert_eq!(pgscope.ended().await.code(), Some(0));
}

#[tokio::test]
async fn sigterm_cuts_what_outlives_the_grace() {
    let upstream = Backend::tcp().await.serve();
    let mut pgscope = Process::start(&upstream, &["--shutdown-grace", "50ms"]);
    let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
    pgscope.signal("TERM");
    app.peer.expect_end().await;
    assert_eq!(pgscope.ended().await.code(), Some(0));
    pgscope.logged("grace is over").await;
}

#[tokio::test]
async fn sighup_reloads_and_keeps_every_connection() {
    let upstream = Backend::tcp().await.serve();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgscope.toml");
    std::fs::write(&file, "").unwrap();
    let pgscope = Process::start(&upstream, &["--config", file.to_str().unwrap()]);
    let load = Load::start(&pgscope).await;
    for (reloads, enabled) in [(1, false), (2, true), (3, false)] {
        let text = format!("[detectors.n_plus_one]\nenabled = {enabled}\n");
        std::fs::write(&file, text).unwrap();
        pgscope.signal("HUP");
        eventually("the reload", || {
            pgscope.log().matches("setting reloaded").count() == reloads
        })
        .await;
        load.goes_on().await;
    }
    let answers = load.end().await;
    let all =
        |scrape: &Scrape| scrape.sum("queries_total", &[("verb", "SELECT")]) == answers as f64;
    pgscope.admin.eventually("every query", all).await;
}
