//! What breaks around pgscope, what the client hears of it and which metric tells. `docs/operations.md` has the table;
//! the faults that are not here are in `startup`, `lifecycle`, `transparency` and `signals`.

use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::messages::{done, error_fields, fatal, message, query, startup, welcome};
use crate::support::peer::Peer;
use crate::support::process::Process;
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};
use crate::support::{eventually_async, patience};
use pgscope::proxy::Resolver;
use pgscope::units::Period;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

async fn outcome(admin: &Admin, outcome: &str) -> Scrape {
    let labels = [("outcome", outcome)];
    let one = |scrape: &Scrape| scrape.sum("connections_total", &labels) == 1.0;
    let scrape = admin.eventually(outcome, one).await;
    assert_eq!(scrape.sum("connections_total", &[]), 1.0);
    scrape
}

/// Past the startup, with a query that has reached the server.
async fn asked(proxy: &Proxy, backend: &Backend, sql: &str) -> (Peer, Peer) {
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(&welcome()).await;
    client.expect(&welcome()).await;
    client.send(&query(sql)).await;
    server.expect(&query(sql)).await;
    (client, server)
}

/// A listener whose queue is full: the kernel drops what comes, as a firewall would.
fn black_hole() -> (socket2::Socket, Vec<TcpStream>, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queue.push(stream);
    }
    (socket, queue, address.to_string())
}

#[tokio::test]
async fn a_server_behind_a_black_hole_is_given_up() {
    let (_socket, _queue, upstream) = black_hole();
    let mut setup = Setup::to(&upstream);
    setup.settings.connect_timeout = Period(Duration::from_millis(200));
    let proxy = setup.start().await;
    let admin = Admin::of(&proxy).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let fields = error_fields(&client.read_to_end().await);
    assert_eq!(fields[&'C'], "08006");
    assert!(
        fields[&'M'].ends_with("no answer within 200ms"),
        "{fields:?}"
    );
    drop(client);
    let scrape = outcome(&admin, "upstream_unreachable").await;
    assert_eq!(scrape.sum("upstream_up", &[]), 0.0);
}

#[tokio::test]
async fn a_name_that_is_not_found_is_said_to_be() {
    let mut setup = Setup::to("no-such-host.invalid:5432");
    setup.settings.connect_timeout = Period(Duration::from_secs(3));
    let proxy = setup.start().await;
    let admin = Admin::of(&proxy).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let fields = error_fields(&client.read_to_end().await);
    assert_eq!(fields[&'C'], "08006");
    assert!(
        fields[&'M'].contains("no-such-host.invalid:5432"),
        "{fields:?}"
    );
    drop(client);
    outcome(&admin, "upstream_unreachable").await;
}

/// Finds what the test last put there, in its order.
fn names(addresses: &Arc<Mutex<Vec<String>>>) -> Resolver {
    let addresses = Arc::clone(addresses);
    Resolver::new(move |host, port| {
        assert_eq!((host, port), ("db.test", 5432));
        let addresses = addresses.lock().unwrap().clone();
        let found = addresses.iter().map(|address| address.parse().unwrap());
        let found: Vec<SocketAddr> = found.collect();
        Box::pin(async move { Ok(found) })
    })
}

#[tokio::test]
async fn a_name_that_moves_is_followed_by_the_next_connection() {
    let (before, after) = (Backend::tcp().await, Backend::tcp().await);
    let addresses = Arc::new(Mutex::new(vec![before.address()]));
    let setup = Setup::to("db.test:5432").resolver(names(&addresses));
    let proxy = setup.start().await;
    let admin = Admin::of(&proxy).await;
    let (mut client, mut server) = asked(&proxy, &before, "SELECT a FROM b").await;
    *addresses.lock().unwrap() = vec![after.address()];
    let (_later, _moved) = asked(&proxy, &after, "SELECT a FROM b").await;
    server.send(&done()).await;
    client.expect(&done()).await;
    let scrape = admin.scrape().await;
    let up = [("upstream", "db.test:5432")];
    assert_eq!(scrape.sum("upstream_up", &up), 1.0);
    assert_eq!(scrape.series("upstream_up", &[]).count(), 1);
}

#[tokio::test]
async fn each_address_of_a_name_is_tried_and_told() {
    let (_socket, _queue, full) = black_hole();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let backend = Backend::tcp().await;
    let addresses = Arc::new(Mutex::new(vec![away.clone(), full.clone()]));
    let mut setup = Setup::to("db.test:5432").resolver(names(&addresses));
    setup.settings.connect_timeout = Period(Duration::from_millis(200));
    let proxy = setup.start().await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let fields = error_fields(&client.read_to_end().await);
    assert_eq!(
        fields[&'M'],
        "pgscope could not connect to the upstream server at db.test:5432 (127.0.0.1): Connection refused; \
         db.test:5432 (127.0.0.1): no answer within 200ms"
    );
    *addresses.lock().unwrap() = vec![away, full, backend.address()];
    asked(&proxy, &backend, "SELECT a FROM b").await;
}

#[tokio::test]
async fn a_server_that_accepts_nobody_is_given_up_until_it_does() {
    let (socket, queue, upstream) = black_hole();
    let mut setup = Setup::to(&upstream);
    setup.settings.connect_timeout = Period(Duration::from_millis(200));
    let proxy = setup.start().await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let fields = error_fields(&client.read_to_end().await);
    assert_eq!(fields[&'C'], "08006");
    // It wakes up.
    drop(queue);
    socket.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(socket.into()).unwrap();
    Backend::Tcp(listener).serve();
    eventually_async("a session", async || {
        let mut client = proxy.connect().await;
        client.send(&startup("app", "cellar")).await;
        let first = client.try_read(1, patience()).await;
        (first.as_deref() == Some(b"R")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_server_that_goes_in_the_middle_of_a_row_ends_the_query_there() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    let (mut client, mut server) = asked(&proxy, &backend, "SELECT a FROM b").await;
    let half = &message(b'D', &[7; 200])[..100];
    server.send(half).await;
    drop(server);
    assert_eq!(client.read_to_end().await, half);
    drop(client);
    let scrape = outcome(&admin, "upstream_lost").await;
    let lost = [("verb", "SELECT"), ("status", "error")];
    assert_eq!(scrape.sum("queries_total", &lost), 1.0);
}

#[tokio::test]
async fn a_fatal_error_in_the_middle_of_a_query_arrives_whole_and_is_counted() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    let (mut client, mut server) = asked(&proxy, &backend, "SELECT a FROM b").await;
    let words = fatal("57P01", "terminating connection");
    server.send(&words).await;
    drop(server);
    assert_eq!(client.read_to_end().await, words, "and nothing is added");
    drop(client);
    let scrape = outcome(&admin, "upstream_lost").await;
    assert_eq!(scrape.sum("errors_total", &[("sqlstate", "57P01")]), 1.0);
    assert_eq!(scrape.sum("queries_total", &[]), 1.0, "it is counted once");
}

#[tokio::test]
async fn a_server_that_is_gone_between_two_queries_ends_the_connection() {
    let upstream = Backend::tcp().await.serve();
    let proxy = Proxy::start(upstream).await;
    let admin = Admin::of(&proxy).await;
    let mut app = App::connect(&proxy).await;
    assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
    // It answers this one by leaving.
    app.peer.send(&query("SELECT 'vanish'")).await;
    app.peer.expect_end().await;
    drop(app);
    let scrape = outcome(&admin, "upstream_lost").await;
    let status = |status| scrape.sum("queries_total", &[("status", status)]);
    assert_eq!((status("ok"), status("error")), (1.0, 1.0));
}

#[tokio::test]
async fn a_reset_of_the_server_ends_the_clients_connection() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    let (mut client, server) = asked(&proxy, &backend, "SELECT a FROM b").await;
    server.reset();
    let (read, _) = client.read_to_any_end().await;
    assert_eq!(read, b"");
    drop(client);
    outcome(&admin, "upstream_lost").await;
}

#[tokio::test]
async fn a_reset_of_the_client_ends_the_servers_connection() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    let (client, mut server) = asked(&proxy, &backend, "SELECT a FROM b").await;
    client.reset();
    let (read, _) = server.read_to_any_end().await;
    assert_eq!(read, b"");
    drop(server);
    outcome(&admin, "client_lost").await;
}

#[tokio::test]
async fn a_client_that_sends_byte_by_byte_is_understood() {
    let upstream = Backend::tcp().await.serve();
    let proxy = Proxy::start(upstream).await;
    let admin = Admin::of(&proxy).await;
    let mut app = App::connect(&proxy).await;
    for byte in query("SELECT a FROM b WHERE c = 'rows:2'") {
        app.peer.send(&[byte]).await;
    }
    let understood = |scrape: &Scrape| scrape.sum("query_rows_total", &[]) == 2.0;
    admin.eventually("its rows", understood).await;
}

#[tokio::test]
async fn without_descriptors_open_sessions_go_on_and_new_ones_come_when_there_are_some() {
    let upstream = Backend::tcp().await.serve();
    let pgscope = Process::start_with_files(50, &upstream, &["--proxy-threads", "2"]);
    pgscope.logged("the limit of open files is too low").await;
    let mut served = Vec::new();
    let mut waiting = Vec::new();
    for _ in 0..30 {
        let mut client = pgscope.connect().await;
        client.send(&startup("app", "cellar")).await;
        waiting.push(client);
    }
    pgscope.logged("accepting a connection failed").await;
    for mut client in waiting {
        match client
            .try_read(1, Duration::from_millis(300))
            .await
            .as_deref()
        {
            Some([b'R']) => {
                let rest = welcome().len() - 1;
                assert_eq!(client.read(rest).await, &welcome()[1..]);
                served.push(App { peer: client });
            }
            // Told that the server cannot be reached, or not accepted yet.
            _ => drop(client),
        }
    }
    assert!(served.len() >= 5, "only {} were served", served.len());
    for app in &mut served {
        assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
    }
    drop(served);
    eventually_async("a place for a new client", async || {
        let mut client = pgscope.connect().await;
        client.send(&startup("app", "cellar")).await;
        let first = client.try_read(1, Duration::from_secs(2)).await;
        (first.as_deref() == Some(b"R")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_death_of_either_side_ends_the_other() {
    // A pgscope is killed in the place of the server.
    let backend = Backend::tcp().await;
    let victim = Process::start(&backend.address(), &[]);
    let proxy = Proxy::start(victim.address().to_string()).await;
    let admin = Admin::of(&proxy).await;
    let (mut client, _server) = asked_through(proxy.connect().await, &backend).await;
    victim.signal("KILL");
    let (read, _) = client.read_to_any_end().await;
    assert_eq!(read, b"");
    drop(client);
    let scrape = outcome(&admin, "upstream_lost").await;
    assert_eq!(scrape.sum("queries_total", &[("status", "error")]), 1.0);

    // And in that of the client.
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    let victim = Process::start(&proxy.address.to_string(), &[]);
    let (_client, mut server) = asked_through(victim.connect().await, &backend).await;
    victim.signal("KILL");
    let (read, _) = server.read_to_any_end().await;
    assert_eq!(read, b"");
    drop(server);
    let lost = [("outcome", "client_lost")];
    let one = |scrape: &Scrape| scrape.sum("connections_total", &lost) == 1.0;
    admin.eventually("client_lost", one).await;
}

#[tokio::test]
async fn the_death_of_pgscope_ends_both_sides() {
    let backend = Backend::tcp().await;
    let mut pgscope = Process::start(&backend.address(), &[]);
    let (mut client, mut server) = asked_through(pgscope.connect().await, &backend).await;
    server.send(&message(b'D', &[7; 200])[..100]).await;
    client.read(100).await;
    pgscope.signal("KILL");
    assert_eq!(pgscope.ended().await.code(), None, "a signal ended it");
    // A reset is an end too.
    let (read, _) = client.read_to_any_end().await;
    assert_eq!(read, b"");
    let (read, _) = server.read_to_any_end().await;
    assert_eq!(read, b"");
}

#[tokio::test]
async fn clients_that_come_while_pgscope_stands_still_wait_in_its_queue() {
    let upstream = Backend::tcp().await.serve();
    let pgscope = Process::start(&upstream, &[]);
    let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
    pgscope.signal("STOP");
    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut client = pgscope.connect().await;
        client.send(&startup("app", "cellar")).await;
        waiting.push(client);
    }
    app.peer.send(&query("SELECT a FROM b")).await;
    app.peer.expect_silence().await;
    pgscope.signal("CONT");
    for mut client in waiting {
        client.expect(&welcome()).await;
    }
    let one = |scrape: &Scrape| scrape.sum("queries_total", &[("status", "ok")]) == 1.0;
    pgscope.admin.eventually("the query", one).await;
}

/// The time of day is for people to read: what is measured is measured by a clock that nobody can set. That below the
/// edges no clock is read at all is checked in `architecture`.
#[tokio::test]
async fn setting_the_time_of_day_changes_no_duration() {
    // When pgscope started; for people what `since=10m` means; on a terminal how long ago a time of the API was.
    let allowed = [
        "src/proxy/clock.rs",
        "src/admin/state.rs",
        "src/cli/top/poll.rs",
    ];
    let mut found = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let readings = ["SystemTime::now", "UNIX_EPOCH.elapsed", "CLOCK_REALTIME"];
            let count: usize = readings.map(|word| text.matches(word).count()).iter().sum();
            if count > 0 {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, count);
            }
        }
    }
    let expected = allowed.map(|name| (name.to_owned(), 1));
    assert_eq!(found, BTreeMap::from(expected));
    let clock = std::fs::read_to_string(root.join("src/proxy/clock.rs")).unwrap();
    let (_, now) = clock.split_once("pub fn now(&self)").unwrap();
    let (now, _) = now.split_once("pub fn ").unwrap();
    assert!(now.contains("self.base.elapsed()"), "{now}");
    assert!(clock.contains("base: Instant"), "{clock}");
}

/// Past the startup, with a query that has reached the server. A pgscope on the way may have looked first whether the
/// server is there.
async fn asked_through(mut client: Peer, backend: &Backend) -> (Peer, Peer) {
    let (hello, question) = (startup("app", "cellar"), query("SELECT a FROM b"));
    client.send(&hello).await;
    let mut server = loop {
        let mut server = backend.accept().await;
        if server.try_read(hello.len(), patience()).await.is_some() {
            break server;
        }
    };
    server.send(&welcome()).await;
    client.expect(&welcome()).await;
    client.send(&question).await;
    server.expect(&question).await;
    (client, server)
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_panic_says_where_it_was_and_nothing_that_was_sent() {
    let upstream = Backend::tcp().await.serve();
    let pgscope = Process::start(&upstream, &[]);
    let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
    let planted = "SELECT 1 AS confidential /* pgscope:planted_panic confidential */";
    assert_eq!(app.query(planted).await, "TDCZ");
    assert_eq!(app.query("SELECT 2 AS a").await, "TDCZ", "bytes flow on");
    pgscope.logged("place=\"src/profiler/tap.rs:").await;
    pgscope.logged("forwarded without profiling").await;
    let log = pgscope.log();
    assert!(!log.contains("confidential"), "{log}");
    let scrape = pgscope.admin.scrape().await;
    let panic = [("reason", "panic")];
    assert_eq!(scrape.sum("sessions_blind_total", &panic), 1.0);
    assert_eq!(scrape.sum("events_dropped_total", &panic), 1.0);
}

#[tokio::test]
async fn clients_that_hold_the_admin_port_keep_neither_prometheus_nor_the_application_out() {
    let upstream = Backend::tcp().await.serve();
    let pgscope = Process::start(&upstream, &[]);
    let mut holders = Vec::new();
    for _ in 0..40 {
        let mut holder = Peer::connect(&pgscope.admin.address()).await;
        holder.send(b"GET /metr").await;
        holders.push(holder);
    }
    let mut app = App::start(pgscope.connect().await, "app", "cellar").await;
    assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
    let scrape = pgscope.admin.scrape().await;
    let files = scrape
        .0
        .iter()
        .find(|series| series.name == "process_open_fds");
    assert!(files.unwrap().value < 70.0, "{files:?}");
    drop(holders);
}

/// Each row of the table in the documentation is a test.
#[test]
fn each_documented_fault_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let (_, faults) = text.split_once("## Faults").unwrap();
    let (faults, _) = faults.split_once("\n## ").unwrap();
    let rows = faults.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut count = 0;
    for row in rows {
        let test = row.trim_end_matches("` |").rsplit('`').next().unwrap();
        let (module, name) = test.rsplit_once("::").unwrap();
        let file = root.join(format!("tests/it/{}.rs", module.replace("::", "/")));
        let source = std::fs::read_to_string(&file).unwrap();
        assert!(source.contains(&format!("async fn {name}()")), "no {test}");
        count += 1;
    }
    assert!(count >= 20, "only {count} rows");
}
