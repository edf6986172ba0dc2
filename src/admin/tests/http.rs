//! Raw requests to a real listener.

use crate::admin::fixture::{Fixture, state, state_of};
use crate::admin::http::serve_within;
use crate::admin::server::Limits;
use crate::admin::state::{AdminState, Check};
use crate::finding::{Evidence, Severity};
use crate::request::Boundary;
use crate::session::At;
use crate::sql::{Fingerprint, Statement, Verb};
use crate::stats::{BoundaryInfo, FindingRow, QuerySample, SessionInfo, Settings, Stats};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<std::io::Result<()>>,
}

pub(super) async fn start(state: AdminState) -> Server {
    start_within(Limits::DEFAULT, state).await
}

pub(super) async fn start_within(limits: Limits, state: AdminState) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async {
        let _ = stopped.await;
    };
    let task = tokio::spawn(serve_within(limits, listener, state, shutdown));
    Server {
        address,
        stop,
        task,
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Server {
    /// Sends `GET path` with the right `Host` and more header lines.
    pub(super) async fn get(&self, path: &str, headers: &str) -> Answer {
        let host = self.address;
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        ))
        .await
    }

    /// The entries of a list.
    pub(super) async fn list(&self, path: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/{path}"), "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.head.contains("content-type: application/json"));
        let mut body: Value = serde_json::from_str(&answer.body).unwrap();
        let name = path.split('?').next().unwrap();
        serde_json::from_value(body[name].take()).unwrap()
    }

    async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }
}

#[tokio::test]
async fn metrics_are_prometheus_text_with_those_of_the_process() {
    let server = start(state()).await;
    let answer = server.get("/metrics", "").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4")
    );
    for line in [
        "# TYPE pgscope_connections_open gauge",
        "# HELP pgscope_connections_open Connections of clients that are open.",
        "pgscope_connections_open 0",
        "# TYPE process_cpu_seconds_total counter",
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn readiness_follows_the_proxy_and_health_the_server() {
    let mut down = state();
    down.health = Arc::new(|| -> Check { Box::pin(async { Err("db:5432: refused".to_owned()) }) });
    let readiness = Arc::clone(&down.readiness);
    let server = start(down).await;
    assert_eq!(server.get("/livez", "").await.status, 200);
    assert_eq!(server.get("/readyz", "").await.status, 200);
    let health = server.get("/healthz", "").await;
    assert_eq!((health.status, &*health.body), (503, "db:5432: refused\n"));
    readiness.set_draining();
    for path in ["/readyz", "/healthz"] {
        let answer = server.get(path, "").await;
        assert_eq!(
            (answer.status, &*answer.body),
            (503, "draining\n"),
            "{path}"
        );
    }
    assert_eq!(server.get("/livez", "").await.status, 200);
    let server = start(state()).await;
    assert_eq!(server.get("/healthz", "").await.status, 200);
}

#[tokio::test]
async fn a_foreign_host_is_misdirected_on_every_path() {
    let server = start(state()).await;
    for path in ["/metrics", "/livez", "/", "/api/v1/findings", "/nothing"] {
        let foreign = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        let answer = server.send(&foreign).await;
        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.body.contains("admin.allowed_hosts"));
    }
    let port = server.address.port();
    for hosts in [
        String::new(),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"),
    ] {
        let answer = server
            .send(&format!("GET /livez HTTP/1.1\r\n{hosts}\r\n"))
            .await;
        assert!(
            [400, 421].contains(&answer.status),
            "{hosts:?}: {}",
            answer.status
        );
    }
    let local = format!("GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    assert_eq!(server.send(&local).await.status, 200);
}

#[tokio::test]
async fn only_get_is_answered() {
    let server = start(state()).await;
    let host = server.address;
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let request =
            format!("{method} /metrics HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n");
        let answer = server.send(&request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get"));
    }
}

#[tokio::test]
async fn a_token_is_demanded_but_for_the_orchestrator() {
    let mut locked = state();
    locked.token = Some("s3cret".to_owned());
    let server = start(locked).await;
    for path in ["/metrics", "/", "/healthz", "/api/v1/findings", "/nothing"] {
        let answer = server.get(path, "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(
            answer.head.contains(
                "www-authenticate: basic realm=\"pgscope\"\r\nwww-authenticate: bearer\r\n"
            )
        );
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path, "").await.status, 200, "{path}");
    }
    for given in ["Bearer s3cret", "Basic YW55Ym9keTpzM2NyZXQ="] {
        let answer = server
            .get("/metrics", &format!("Authorization: {given}\r\n"))
            .await;
        assert_eq!(answer.status, 200, "{given}");
    }
}

#[tokio::test]
async fn no_answer_may_be_stored_sniffed_or_read_by_another_origin() {
    let server = start(state()).await;
    for path in ["/", "/metrics", "/api/v1/findings", "/nothing"] {
        let answer = server.get(path, "Origin: http://evil.example\r\n").await;
        assert!(
            answer.head.contains("x-content-type-options: nosniff"),
            "{path}"
        );
        assert!(answer.head.contains("cache-control: no-store"), "{path}");
        assert!(!answer.head.contains("access-control"), "{path}");
    }
}

/// Two findings, three calls of one statement, a session and a class of clients.
pub(super) fn filled() -> Fixture {
    let mut stats = Stats::new(&Settings::default());
    let key = stats.session("app", "web");
    let fingerprint = Fingerprint(0xabc);
    for nanos in [2_000_000, 4_000_000, 6_000_000] {
        let make = || Arc::new(Statement::new(fingerprint, "SELECT ?"));
        let sample = QuerySample {
            statement: Some(stats.statement(fingerprint, make)),
            verb: Verb::Select,
            error: false,
            nanos,
            first_byte_nanos: nanos,
            stalled_nanos: 0,
            rows: 1,
        };
        stats.query(key, &sample);
    }
    for (detector, route, severity) in [
        ("chatty", "-", Severity::Info),
        ("n_plus_one", "wines/<int:pk>/", Severity::Critical),
    ] {
        stats.finding(&FindingRow {
            detector,
            kind: "forward_fk",
            severity,
            evidence: Evidence::Proven,
            database: "app",
            route: &route.into(),
            boundary: Boundary::Probe,
            fingerprint: (route != "-").then_some(fingerprint),
            parent: "cellar_wine",
            parent_fingerprint: None,
            relation: "vineyard",
            fix: "select_related(\"vineyard\")",
            query: &"SELECT ?".into(),
            callsite: "shop/views.py:42",
            count: 20,
            wasted_seconds: 0.5,
            at: At(1_500_000_000),
        });
    }
    let mut source = Fixture::new(stats);
    source.sessions = vec![SessionInfo {
        id: 4,
        client: "127.0.0.1:40000".into(),
        database: "app".into(),
        user: "web".into(),
        application: "".into(),
        status: "idle",
        since: At(0),
        queries: 3,
        cancel_requests: 2,
        blind: None,
    }];
    source.boundaries = vec![BoundaryInfo {
        client: "127.0.0.1 web app".into(),
        database: "app".into(),
        mode: "probe",
        confidence: "high",
        requests: vec![("probe", 9), ("gap", 1)],
        hint: "".into(),
    }];
    source
}

#[tokio::test]
async fn findings_have_the_keys_of_the_contract_worst_first() {
    let server = start(state_of(filled())).await;
    let findings = server.list("findings").await;
    let worst = json!({
        "detector": "n_plus_one", "kind": "forward_fk", "severity": "critical", "evidence": "proven",
        "route": "wines/<int:pk>/", "boundary": "probe", "fingerprint": "0000000000000abc",
        "parent": "cellar_wine", "relation": "vineyard", "fix": "select_related(\"vineyard\")",
        "query": "SELECT ?", "callsite": "shop/views.py:42", "database": "app", "count": 20, "requests": 1, "wasted_seconds": 0.5,
        "first_seen": "2026-01-31T12:00:01.500Z", "last_seen": "2026-01-31T12:00:01.500Z",
    });
    assert_eq!(findings[0], worst);
    assert_eq!(findings[1]["fingerprint"], "");
    assert_eq!(findings.len(), 2);
}

#[tokio::test]
async fn lists_can_be_narrowed() {
    let server = start(state_of(filled())).await;
    for (path, length) in [
        ("findings?limit=1", 1),
        ("findings?route=wines/%3Cint:pk%3E/", 1),
        ("findings?since=2026-01-31T12:00:01Z", 2),
        ("findings?since=2026-01-31T12:00:02Z", 0),
        ("findings?database=app", 2),
        ("findings?database=logs", 0),
        ("requests", 0),
        ("statements?database=logs", 0),
        ("sessions?database=app&limit=5", 1),
        ("sessions?database=logs", 0),
        ("boundaries?database=logs", 0),
    ] {
        let list = server.list(path).await;
        assert_eq!(list.len(), length, "{path}");
    }
    for path in [
        "statements?route=a",
        "findings?limit=x",
        "findings?sort=age",
    ] {
        let answer = server.get(&format!("/api/v1/{path}"), "").await;
        assert_eq!(answer.status, 400, "{path}");
    }
    assert_eq!(server.get("/api/v1/nothing", "").await.status, 404);
}

#[tokio::test]
async fn statements_sessions_and_boundaries_are_listed() {
    let server = start(state_of(filled())).await;
    let statement = &server.list("statements").await[0];
    assert_eq!(statement["fingerprint"], "0000000000000abc");
    assert_eq!(statement["calls"], 3);
    assert_eq!(statement["total_seconds"], 0.012);
    assert_eq!(statement["mean_seconds"], 0.004);
    assert_eq!(statement["max"], 0.006);
    let session = &server.list("sessions").await[0];
    assert_eq!(session["since"], "2026-01-31T12:00:00.000Z");
    assert_eq!(session["blind"], Value::Null);
    let class = &server.list("boundaries").await[0];
    assert_eq!(class["requests"], json!({"probe": 9, "gap": 1}));
}

#[tokio::test]
async fn the_page_and_all_it_loads_are_there() {
    let server = start(state()).await;
    let page = server.get("/", "").await;
    assert!(page.head.contains("content-type: text/html; charset=utf-8"));
    let mut loaded = 0;
    for part in page.body.split("=\"/").skip(1) {
        let path = format!("/{}", part.split('"').next().unwrap());
        let kind = match path.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/json",
        };
        let answer = server.get(&path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.head.contains(&format!("content-type: {kind}\r\n")),
            "{path}: {}",
            answer.head
        );
        assert!(
            answer
                .head
                .contains("content-security-policy: default-src 'none'; script-src 'self'; "),
            "{path}"
        );
        loaded += 1;
    }
    assert!(loaded >= 7, "{loaded}");
    for missing in [
        "/page/",
        "/page/nothing.js",
        "/page/..%2Fpage.rs",
        "/page/index.html",
    ] {
        assert_eq!(server.get(missing, "").await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_shutdown() {
    let server = start(state()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /met").await.unwrap();
    assert_eq!(server.get("/livez", "").await.status, 200);
    server.stop.send(()).unwrap();
    server.task.await.unwrap().unwrap();
}
