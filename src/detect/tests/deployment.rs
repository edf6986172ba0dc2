//! Detectors that watch over time: each told what it would see of a deployment.

mod queries;

use super::super::testing::*;
use super::super::{Connection, Detectors, Observed, Settings, Severity, What};
use super::*;
use crate::request::{Boundary, Request, Usage};
use crate::session::{At, SqlState};
use crate::sql::Facts;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;

/// A deployment: a clock, and what the detectors have said so far.
struct Deployment {
    detectors: Detectors,
    now: At,
    class: usize,
    usage: Usage,
    announced: Option<Boundary>,
    open: u32,
    findings: Vec<Finding>,
}

impl Deployment {
    /// Only this detector looks.
    fn watched_by(name: &str) -> Self {
        let mut table = toml::Table::try_from(Settings::default()).unwrap();
        for (section, settings) in &mut table {
            settings["enabled"] = (section == name).into();
        }
        Self {
            detectors: Detectors::new(&table.try_into().unwrap()),
            // An idle week.
            now: At(7 * 86_400 * SECOND),
            class: 1,
            usage: Usage::Unknown,
            announced: None,
            open: 1,
            findings: Vec::new(),
        }
    }

    fn wait(&mut self, millis: u64) -> &mut Self {
        self.now.0 += millis * MILLISECOND;
        self
    }

    fn see(&mut self, what: What<'_>) {
        let seen = Observed {
            at: self.now,
            class: self.class,
            usage: self.usage,
            announced: self.announced,
            open: self.open,
            what,
        };
        self.findings.extend(self.detectors.observe(&seen));
    }

    /// A connection that took `setup` ms to open, served `requests` in `used` ms and was closed `idle` ms later.
    fn connection(&mut self, setup: u64, requests: u32, used: u64, idle: u64) -> Connection {
        self.see(What::Opened(setup * MILLISECOND));
        let opened = self.now;
        let ready = self.wait(setup).now;
        let last_ready = self.wait(used).now;
        self.wait(idle);
        Connection {
            opened,
            ready,
            last_ready,
            requests,
            queries: 3,
            ..Connection::default()
        }
    }

    /// It ends.
    fn ends(&mut self, connection: &Connection) {
        self.see(What::Closed(connection));
    }

    fn serve(&mut self, scenario: Scenario) {
        let mut request: Request = scenario.request();
        request.opened = self.now;
        request.closed = self.wait(20).now;
        for facts in (request.groups.iter().map(|group| &group.statement.facts))
            .filter(|facts| facts.may_change_tables())
        {
            self.wrote(&request.database, Some(facts));
        }
        self.see(What::Request(&request));
    }

    fn wrote(&mut self, database: &str, facts: Option<&Facts>) {
        self.see(What::Wrote { database, facts });
    }
}

fn churn(seconds: u64, times: u32, setup: u64, used: u64) -> Vec<Finding> {
    let mut it = Deployment::watched_by("connection_churn");
    for _ in 0..times {
        let connection = it.connection(setup, 1, used, 0);
        it.ends(&connection);
        it.wait(seconds * 1000 - (setup + used).min(seconds * 1000));
    }
    it.findings
}

/// `CONN_MAX_AGE = 0`.
#[test]
fn connection_churn() {
    let finding = only(churn(1, 55, 5, 20));
    assert_eq!(finding.cause.detector, "connection_churn");
    assert_eq!((&*finding.cause.route, finding.count), ("-", 50));
    assert_eq!(finding.severity, Severity::Warning);
    assert!((finding.wasted_seconds - 0.25).abs() < 1e-9);
    assert!(finding.fix.contains("CONN_MAX_AGE = 60"), "{}", finding.fix);
    // Opening takes 2 % of the time.
    assert_eq!(only(churn(1, 55, 5, 245)).severity, Severity::Info);
    // It holds on: once a minute.
    assert_eq!(churn(1, 300, 5, 20).len(), 5);
}

#[test]
fn rare_cheap_or_used_connections_are_no_churn() {
    // One every ten seconds: cron, or nobody's hour.
    assert_eq!(churn(10, 500, 5, 20), []);
    // A pooler next door.
    assert_eq!(churn(1, 500, 1, 900), []);
    let mut it = Deployment::watched_by("connection_churn");
    for number in 0..500 {
        // Health checks of a load balancer, workers that serve many requests, and one in ten that serves one.
        let requests = if number % 10 == 0 {
            1
        } else {
            40 * (number % 2)
        };
        let connection = it.connection(5, requests, 20, 0);
        it.ends(&connection);
    }
    assert_eq!(it.findings, []);
}

/// Under ASGI, `CONN_MAX_AGE = 600`: connections are opened, used once, and collected a minute later.
#[test]
fn asgi_persistent_connections() {
    let run = |second: u32, idle: u64, at_once: usize| {
        let mut it = Deployment::watched_by("asgi_persistent_connections");
        let mut open = std::collections::VecDeque::new();
        for number in 0..99 {
            let requests = if number % 10 < second { 2 } else { 1 };
            open.push_back(it.connection(5, requests, 20, 0));
            it.wait(idle / at_once as u64);
            if open.len() > at_once {
                let oldest = open.pop_front().unwrap();
                it.ends(&oldest);
            }
        }
        it.findings
    };
    let finding = only(run(0, 60_000, 20));
    assert_eq!(finding.cause.detector, "asgi_persistent_connections");
    assert!(finding.fix.contains("CONN_MAX_AGE = 0"), "{}", finding.fix);
    // WSGI: some serve a second request. Under load: no time to wait. One thread: never five at once.
    assert_eq!(run(1, 60_000, 20), []);
    assert_eq!(run(0, 2000, 20), []);
    assert_eq!(run(0, 60_000, 3), []);
}

#[test]
fn timezone_round_trip() {
    let run = |sets: bool, requests: u32, wait: u64| {
        let mut it = Deployment::watched_by("timezone_round_trip");
        for _ in 0..39 {
            let connection = it.connection(5, requests, 20, wait);
            it.ends(&Connection {
                sets_time_zone: sets,
                ..connection
            });
        }
        it.findings
    };
    let finding = only(run(true, 1, 10));
    assert_eq!((finding.count, finding.severity), (20, Severity::Info));
    assert!(finding.fix.starts_with("ALTER ROLE"), "{}", finding.fix);
    // The server's zone is Django's; long-lived connections; one connection every 30 seconds.
    assert_eq!(run(false, 1, 10), []);
    assert_eq!(run(true, 50, 10), []);
    assert_eq!(run(true, 1, 30_000), []);
}

#[test]
fn pool_pressure_by_refusals() {
    let mut it = Deployment::watched_by("pool_pressure");
    it.see(What::Refused(SqlState(*b"28P01")));
    assert_eq!(it.findings, []);
    for _ in 0..5 {
        it.see(What::Refused(SqlState(*b"53300")));
    }
    it.wait(60_000).see(What::Refused(SqlState(*b"53300")));
    let counts: Vec<u32> = it.findings.iter().map(|finding| finding.count).collect();
    assert_eq!(counts, [1, 5]);
    assert_eq!(it.findings[0].severity, Severity::Critical);
}

#[test]
fn pool_pressure_by_the_servers_own_limit() {
    let mut it = Deployment::watched_by("pool_pressure");
    it.open = 90;
    it.see(What::Opened(MILLISECOND));
    assert_eq!(it.findings, [], "nobody knows the limit");
    it.see(What::MaxConnections(200));
    it.see(What::Opened(MILLISECOND));
    assert_eq!(it.findings, []);
    it.see(What::MaxConnections(100));
    it.see(What::Opened(MILLISECOND));
    let finding = only(it.findings);
    assert_eq!((finding.severity, finding.count), (Severity::Warning, 90));
}

#[test]
fn pool_pressure_by_the_time_to_be_let_in() {
    let run = |slow_each: u64| {
        let mut it = Deployment::watched_by("pool_pressure");
        for number in 0..40 {
            let slow = number % slow_each == 0;
            it.see(What::Opened(if slow { SECOND } else { 5 * MILLISECOND }));
        }
        it.findings
    };
    assert_eq!(only(run(10)).severity, Severity::Warning);
    assert_eq!(run(40), []);
}

#[test]
fn no_health_checks() {
    let run = |usage: Usage, change: fn(&mut Connection)| {
        let mut it = Deployment::watched_by("no_health_checks");
        it.usage = usage;
        for _ in 0..3 {
            let mut connection = it.connection(5, 40, 20, 1000);
            connection.lost = true;
            change(&mut connection);
            it.ends(&connection);
        }
        it.findings
    };
    let finding = only(run(Usage::Persistent, |_| ()));
    assert_eq!(finding.severity, Severity::Info);
    assert!(
        finding.fix.starts_with("CONN_HEALTH_CHECKS = True"),
        "{}",
        finding.fix
    );
    assert_eq!(run(Usage::PerRequest, |_| ()), []);
    assert_eq!(run(Usage::Persistent, |it| it.lost = false), []);
    assert_eq!(run(Usage::Persistent, |it| it.probes = 1), []);
    assert_eq!(run(Usage::Persistent, |it| it.requests = 0), []);
}

fn session() -> Sql {
    get_by("django_session", "session_key")
}

#[test]
fn session_overhead() {
    let run = |writes: u64, boundary: Boundary| {
        let mut it = Deployment::watched_by("session_overhead");
        for number in 0..120 {
            let scenario = Scenario::new()
                .boundary(boundary)
                .run(session(), 7, 1)
                .run(get("auth_user"), 1, 1)
                .run(books(), 0, 2);
            let saves = number % 10 < writes;
            let mut save = update("django_session");
            save = if saves { save.and("session_key") } else { save };
            it.serve(if saves {
                scenario.run(save, 7, 1)
            } else {
                scenario
            });
        }
        it.findings
    };
    assert_eq!(
        words(&run(10, Boundary::Probe)),
        ["session_overhead reads", "session_overhead writes"]
    );
    assert_eq!(words(&run(2, Boundary::Probe)), ["session_overhead reads"]);
    assert_eq!(run(10, Boundary::Gap), []);
    let fixes: Vec<String> = run(10, Boundary::Probe)
        .into_iter()
        .map(|it| it.fix)
        .collect();
    assert!(
        fixes[0].contains("cached_db") && fixes[1].contains("SESSION_SAVE_EVERY_REQUEST"),
        "{fixes:?}"
    );
}

/// One request in two reads a session: an API beside the site.
#[test]
fn sessions_of_some_requests_are_no_overhead() {
    let mut it = Deployment::watched_by("session_overhead");
    for number in 0..300 {
        let scenario = Scenario::new().run(books(), 0, 2);
        let logged_in = scenario.run(session(), 7, 1).run(get("auth_user"), 1, 1);
        it.serve(if number % 2 == 0 {
            logged_in
        } else {
            Scenario::new().run(books(), 0, 2)
        });
    }
    assert_eq!(it.findings, []);
}

/// Classes do not see each other's connections: half of each is not enough.
#[test]
fn classes_are_told_apart() {
    let mut it = Deployment::watched_by("connection_churn");
    for number in 0..90 {
        it.class = number % 64;
        let connection = it.connection(5, 1, 20, 0);
        it.ends(&connection);
    }
    assert_eq!(it.findings, []);
}

#[test]
fn impossible_settings_of_monitors_are_refused() {
    for (text, key, instead) in [
        (
            "connection_churn = { setup_percent = 0 }",
            "connection_churn.setup_percent",
            "1 to 100",
        ),
        (
            "connection_churn = { min_connections = 1 }",
            "connection_churn.min_connections",
            "10 or more",
        ),
        (
            "connection_churn = { allow = { routes = [\"x\"] } }",
            "connection_churn.allow",
            "enabled = false",
        ),
        (
            "asgi_persistent_connections = { idle = \"0s\" }",
            "idle",
            "30s",
        ),
        (
            "timezone_round_trip = { percent = 101 }",
            "timezone_round_trip.percent",
            "1 to 100",
        ),
        (
            "pool_pressure = { slow_setup = \"0s\" }",
            "pool_pressure.slow_setup",
            "500ms",
        ),
        (
            "no_health_checks = { allow = { tables = [\"x\"] } }",
            "no_health_checks.allow",
            "enabled = false",
        ),
        (
            "session_overhead = { allow = { routes = [\"x\"] } }",
            "session_overhead.allow",
            "fingerprints",
        ),
        (
            "hot_query = { sustained = \"1s\" }",
            "hot_query.sustained",
            "10s",
        ),
        (
            "hot_query = { allow = { routes = [\"x\"] } }",
            "hot_query.allow.routes",
            "tables",
        ),
        (
            "cacheable_query = { window = \"0s\" }",
            "cacheable_query.window",
            "5m",
        ),
        (
            "cacheable_query = { min_calls = 1 }",
            "cacheable_query.min_calls",
            "2 or more",
        ),
    ] {
        let settings: Settings = toml::from_str(text).unwrap();
        let error = settings.validate().unwrap_err();
        assert!(error.contains(key) && error.contains(instead), "{error}");
    }
}
