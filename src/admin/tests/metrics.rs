//! The exposition, parsed back.

use crate::admin::fixture::Fixture;
use crate::admin::{METRICS, Metrics};
use crate::finding::{Evidence, Severity};
use crate::request::{Boundary, Kind, Request};
use crate::session::{At, BlindReason, SqlState};
use crate::sql::{Fingerprint, Statement, Verb};
use crate::stats::{
    FindingRow, QuerySample, Settings, Source, Stage, Stats, TransactionOutcome, Upstreams,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Series of a scrape with their values; a series twice is an error, as it is for Prometheus.
fn scrape(source: Fixture) -> BTreeMap<String, f64> {
    let upstreams = Upstreams::new(
        ["db:5432", "standby:5432", "later:5432"]
            .map(str::to_owned)
            .into_iter(),
    );
    upstreams.set(0, false);
    upstreams.set(1, true);
    let mut text = Vec::new();
    let metrics = Metrics::new(Arc::new(source), Arc::new(upstreams));
    metrics.write(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let earlier = series.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(earlier, None, "{name}");
    }
    series
}

/// One more use of everything, told apart by a number.
fn feed(stats: &mut Stats, number: u64) {
    let name = format!("name{number}");
    let key = stats.session(&name, &name);
    for verb in Verb::ALL {
        for error in [false, true] {
            let fingerprint = Fingerprint(number);
            let make = || Arc::new(Statement::new(fingerprint, "SELECT \"a\" FROM \\ ?"));
            let statement = Some(stats.statement(fingerprint, make));
            let sample = QuerySample {
                statement,
                verb: *verb,
                error,
                nanos: 100_000_000,
                first_byte_nanos: 90_000_000,
                stalled_nanos: 0,
                rows: 4,
            };
            stats.query(key, &sample);
        }
    }
    for code in [*b"23505", *b"40001", *b"57014", *b"42P01"] {
        stats.error(key, SqlState(code));
    }
    stats.connection_setup(key, 1);
    stats.cancel_request(Some(key));
    stats.batch(key, 7_000_000);
    stats.health_checks(key, 2);
    for outcome in TransactionOutcome::ALL {
        stats.transaction(key, outcome, 1_000_000);
        stats.idle_in_transaction(key, outcome, 1_000_000);
    }
    for boundary in [Boundary::Trace, Boundary::Probe] {
        stats.request(
            &Request {
                database: name.as_str().into(),
                route: name.as_str().into(),
                controller: "".into(),
                boundary,
                kind: Kind::Http,
                opened: At(0),
                closed: At(50_000_000),
                queries: 7,
                nanos: 40_000_000,
                think_nanos: 5_000_000,
                groups: Vec::new(),
                entries: Vec::new(),
                ..Request::default()
            },
            &[],
        );
    }
    for detector in ["n_plus_one", "slow_query"] {
        for severity in Severity::ALL {
            stats.finding(&FindingRow {
                detector,
                kind: "forward_fk",
                severity,
                evidence: Evidence::Proven,
                database: &name,
                route: &name.as_str().into(),
                boundary: Boundary::Trace,
                fingerprint: Some(Fingerprint(number)),
                parent: "cellar_wine",
                parent_fingerprint: None,
                relation: "vineyard",
                fix: "select_related(\"vineyard\")",
                query: &"SELECT ?".into(),
                callsite: "shop/views.py:42",
                count: 20,
                wasted_seconds: 0.5,
                at: At(1),
            });
        }
    }
    stats.blind(BlindReason::Pairing);
    stats.dropped(format!("reason{number}").leak());
    stats.table(format!("table{number}").leak(), 1, 1);
}

fn stats(settings: &Settings, times: u64) -> Stats {
    let mut stats = Stats::new(settings);
    (0..times).for_each(|number| feed(&mut stats, number));
    stats
}

#[test]
fn numbers_come_out_under_the_names_and_labels_of_the_contract() {
    let source = Fixture::new(stats(&Settings::default(), 1));
    source.traffic.profiled(Stage::Backend, 1_500_000_000);
    let series = scrape(source);
    let version = env!("CARGO_PKG_VERSION");
    let verb = Verb::Select.as_str();
    let fingerprint = "0000000000000000";
    let route = "fingerprint=\"0000000000000000\",route=\"name0\"";
    for (name, value) in [
        (format!("build_info{{version=\"{version}\"}}"), 1.0),
        ("connections_open".to_owned(), 0.0),
        ("connections_total{outcome=\"client_lost\"}".to_owned(), 0.0),
        ("bytes_total{direction=\"frontend\"}".to_owned(), 0.0),
        (
            format!("queries_total{{database=\"name0\",status=\"error\",user=\"name0\",verb=\"{verb}\"}}"),
            1.0,
        ),
        (format!("query_duration_seconds_bucket{{database=\"name0\",verb=\"{verb}\",le=\"0.05\"}}"), 0.0),
        (format!("query_duration_seconds_bucket{{database=\"name0\",verb=\"{verb}\",le=\"0.1\"}}"), 2.0),
        (format!("query_duration_seconds_bucket{{database=\"name0\",verb=\"{verb}\",le=\"+Inf\"}}"), 2.0),
        (format!("query_duration_seconds_sum{{database=\"name0\",verb=\"{verb}\"}}"), 0.2),
        (format!("query_first_byte_seconds_sum{{database=\"name0\",verb=\"{verb}\"}}"), 0.18),
        (format!("query_rows_total{{database=\"name0\",verb=\"{verb}\"}}"), 8.0),
        ("errors_total{database=\"name0\",sqlstate=\"42P01\"}".to_owned(), 1.0),
        ("transactions_total{database=\"name0\",outcome=\"commit\"}".to_owned(), 1.0),
        ("transaction_duration_seconds_count{database=\"name0\",outcome=\"lost\"}".to_owned(), 1.0),
        ("idle_in_transaction_seconds_sum{database=\"name0\",outcome=\"rollback\"}".to_owned(), 0.001),
        ("connection_setup_seconds_count{database=\"name0\"}".to_owned(), 1.0),
        ("requests_total{boundary=\"trace\",route=\"name0\"}".to_owned(), 1.0),
        ("request_queries_bucket{boundary=\"trace\",route=\"name0\",le=\"5\"}".to_owned(), 0.0),
        ("request_queries_bucket{boundary=\"trace\",route=\"name0\",le=\"8\"}".to_owned(), 1.0),
        ("request_database_seconds_sum{boundary=\"trace\",route=\"name0\"}".to_owned(), 0.04),
        ("request_duration_seconds_sum{boundary=\"trace\",route=\"name0\"}".to_owned(), 0.05),
        (
            format!("statement_calls_total{{fingerprint=\"{fingerprint}\"}}"),
            2.0 * Verb::ALL.len() as f64,
        ),
        (format!("findings_total{{detector=\"slow_query\",{route},severity=\"info\"}}"), 1.0),
        (
            "n_plus_one_total{fingerprint=\"0000000000000000\",fix=\"select_related(\\\"vineyard\\\")\",\
             kind=\"forward_fk\",parent=\"cellar_wine\",relation=\"vineyard\",route=\"name0\"}"
                .to_owned(),
            3.0,
        ),
        (format!("n_plus_one_wasted_seconds_total{{{route}}}"), 1.5),
        (format!("slow_queries_total{{{route}}}"), 60.0),
        ("sessions_blind_total{reason=\"pairing\"}".to_owned(), 1.0),
        ("events_dropped_total{reason=\"reason0\"}".to_owned(), 1.0),
        ("table_entries{table=\"routes\"}".to_owned(), 2.0),
        ("table_evictions_total{table=\"routes\"}".to_owned(), 0.0),
        ("profiling_seconds_total{stage=\"backend\"}".to_owned(), 1.5),
        ("upstream_up{upstream=\"db:5432\"}".to_owned(), 0.0),
        ("upstream_up{upstream=\"standby:5432\"}".to_owned(), 1.0),
    ] {
        assert_eq!(series.get(&format!("pgscope_{name}")), Some(&value), "{name}");
    }
    let info = series
        .keys()
        .find(|name| name.starts_with("pgscope_statement_info"));
    let info = info.unwrap();
    assert!(info.contains(r#"query="SELECT \"a\" FROM \\ ?""#), "{info}");
}

#[test]
fn each_metric_of_the_catalogue_comes_out_once_there_is_something_to_tell() {
    let series = scrape(Fixture::new(stats(&Settings::default(), 1)));
    let families: BTreeSet<&str> = series
        .keys()
        .map(|name| name.split('{').next().unwrap())
        .map(|name| {
            let histogram = ["_bucket", "_sum", "_count"];
            let base = histogram.iter().find_map(|end| name.strip_suffix(end));
            base.unwrap_or(name)
        })
        .collect();
    let catalogue: Vec<String> = METRICS
        .iter()
        .map(|spec| format!("pgscope_{}", spec.name))
        .collect();
    assert_eq!(families, catalogue.iter().map(String::as_str).collect());
}

#[test]
fn closed_sets_of_labels_start_at_zero_and_the_rest_has_no_series() {
    let series = scrape(Fixture::new(Stats::new(&Settings::default())));
    for name in [
        "connections_total{outcome=\"drained\"}",
        "sessions_blind_total{reason=\"panic\"}",
        "table_evictions_total{table=\"statements\"}",
        "profiling_seconds_total{stage=\"frontend\"}",
    ] {
        assert_eq!(series.get(&format!("pgscope_{name}")), Some(&0.0), "{name}");
    }
    assert!(
        !series
            .keys()
            .any(|name| name.starts_with("pgscope_request"))
    );
}

#[test]
fn the_sum_over_series_is_what_was_fed_whatever_was_evicted() {
    let settings = Settings {
        statements: 3,
        routes: 3,
        findings: 3,
        recent_requests: 3,
        databases: 3,
        users: 3,
        database_users: 3,
        sqlstates: 2,
    };
    let times = 40;
    let series = scrape(Fixture::new(stats(&settings, times)));
    let sum = |name: &str| -> f64 {
        let prefix = format!("pgscope_{name}{{");
        let of = series
            .iter()
            .filter(|(series, _)| series.starts_with(&prefix));
        of.map(|(_, value)| value).sum()
    };
    let times = times as f64;
    let queries = 2.0 * Verb::ALL.len() as f64 * times;
    for (name, fed) in [
        ("queries_total", queries),
        ("query_duration_seconds_count", queries),
        ("query_rows_total", 4.0 * queries),
        ("statement_calls_total", queries),
        ("statement_duration_seconds_count", queries),
        ("errors_total", 4.0 * times),
        ("transactions_total", 3.0 * times),
        ("requests_total", 2.0 * times),
        ("health_check_requests_total", 2.0 * times),
        ("request_queries_sum", 14.0 * times),
        ("findings_total", 6.0 * times),
        ("n_plus_one_total", 3.0 * times),
        ("n_plus_one_wasted_seconds_total", 1.5 * times),
        ("slow_queries_total", 60.0 * times),
        ("events_dropped_total", times),
    ] {
        assert_eq!(sum(name), fed, "{name}");
    }
}

#[test]
fn no_stream_makes_more_series_than_the_ceiling() {
    let settings = Settings {
        statements: 20,
        routes: 20,
        findings: 20,
        recent_requests: 5,
        databases: 10,
        users: 10,
        database_users: 10,
        sqlstates: 3,
    };
    let stats = stats(&settings, 300);
    let ceiling = stats.series_ceiling();
    let count = scrape(Fixture::new(stats)).len();
    assert!(count <= ceiling, "{count} series, ceiling {ceiling}");
    assert!(
        count * 10 > ceiling * 6,
        "{count} series, ceiling {ceiling}: too loose to mean anything"
    );
}

#[test]
fn a_scrape_reads_one_moment() {
    let source = Fixture::new(stats(&Settings::default(), 2));
    let snapshot = source.snapshot();
    let by_pair: u64 = snapshot
        .pairs
        .iter()
        .flat_map(|pair| pair.queries)
        .flatten()
        .sum();
    let by_verb: u64 = snapshot.verbs.iter().map(|row| row.duration.count()).sum();
    assert_eq!(by_pair, by_verb);
}
