//! Several servers, tried in the order in which they are named.

use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::certificates::Authority;
use crate::support::messages::{error_fields, startup, welcome};
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};
use crate::support::secure::SecureBackend;
use pgscope::proxy::{UpstreamMode, UpstreamTls};
use std::net::TcpListener;

/// An address where nobody listens any more.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn up(scrape: &Scrape, upstream: &str) -> Vec<f64> {
    let labels = [("upstream", upstream)];
    let series = scrape.series("upstream_up", &labels);
    series.map(|series| series.value).collect()
}

#[tokio::test]
async fn the_next_server_is_taken_where_one_is_away() {
    let (away, third) = (nobody(), nobody());
    let directory = tempfile::tempdir().unwrap();
    let backend = Backend::unix(directory.path());
    let present = backend.address();
    let here = directory.path().display().to_string();
    backend.serve();
    let proxy = Proxy::start(format!("{away},{here},{third}")).await;
    let admin = Admin::of(&proxy).await;
    let mut app = App::connect(&proxy).await;
    assert_eq!(app.query("SELECT a FROM b").await, "TDCZ");
    let scrape = admin.scrape().await;
    assert_eq!(up(&scrape, &away), [0.0]);
    assert_eq!(up(&scrape, &present), [1.0]);
    assert!(up(&scrape, &third).is_empty(), "nobody asked for it");
    assert_eq!(scrape.sum("connections_total", &[]), 0.0);

    assert!(admin.get("/healthz").await.starts_with("HTTP/1.1 200"));
    let all = |scrape: &Scrape| up(scrape, &third) == [0.0];
    admin.eventually("a look at each server", all).await;
}

#[tokio::test]
async fn the_order_holds_for_each_connection_anew() {
    let (first, second) = (Backend::tcp().await, Backend::tcp().await);
    let proxy = Proxy::start(format!("{},{}", first.address(), second.address())).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let mut server = first.accept().await;
    server.expect(&startup("app", "cellar")).await;
    let address = first.address();
    drop(first);

    let mut later = proxy.connect().await;
    later.send(&startup("app", "logs")).await;
    let mut other = second.accept().await;
    other.expect(&startup("app", "logs")).await;

    // The first goes on as it was, and comes first again when it is back.
    server.send(&welcome()).await;
    client.expect(&welcome()).await;
    let back = tokio::net::TcpListener::bind(address).await.unwrap();
    let back = Backend::Tcp(back);
    let mut last = proxy.connect().await;
    last.send(&startup("app", "cellar")).await;
    back.accept().await.expect(&startup("app", "cellar")).await;
}

#[tokio::test]
async fn a_client_reads_of_each_server_why() {
    let (first, second) = (nobody(), nobody());
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().display().to_string();
    let proxy = Proxy::start(format!("{first},{socket},{second}")).await;
    let admin = Admin::of(&proxy).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let fields = error_fields(&client.read_to_end().await);
    assert_eq!(fields[&'C'], "08006");
    assert_eq!(
        fields[&'M'],
        format!(
            "pgscope could not connect to the upstream server at {first}: Connection refused; \
             {socket}/.s.PGSQL.5432: No such file or directory; {second}: Connection refused"
        )
    );
    let health = admin.get("/healthz").await;
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    assert!(
        health.contains(&first) && health.contains(&second) && health.contains(&socket),
        "{health}"
    );
    let scrape = admin.scrape().await;
    assert_eq!(scrape.series("upstream_up", &[]).count(), 3);
    assert_eq!(scrape.sum("upstream_up", &[]), 0.0);
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host_of_its_own_entry() {
    let authority = Authority::new();
    let backend = SecureBackend::with(&authority.signs("localhost")).await;
    let by_name = backend.address();
    let by_number = by_name.replace("localhost", "127.0.0.1");
    let proxy = Setup::to(format!("{by_number},{by_name}"))
        .upstream_tls(UpstreamTls {
            mode: UpstreamMode::VerifyFull,
            root_cert_file: Some(authority.root()),
            ..UpstreamTls::default()
        })
        .start()
        .await;
    let admin = Admin::of(&proxy).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    // 127.0.0.1 is not in it.
    drop(backend.accept().await);
    let mut server = backend.accept().await.unwrap();
    server.expect(&startup("app", "cellar")).await;
    let scrape = admin.scrape().await;
    assert_eq!(up(&scrape, &by_number), [0.0]);
    assert_eq!(up(&scrape, &by_name), [1.0]);
}
