//! Queries, rows, errors, transactions, and that none of them gets lost between two metrics.

use super::{author, run, start, start_with};
use crate::support::app::App;
use crate::support::scrape::Scrape;

#[tokio::test]
async fn each_query_counts_once_with_its_verb_its_rows_and_its_outcome() {
    let (proxy, admin) = start().await;
    let scrape = run(
        &proxy,
        &admin,
        &[
            "SELECT a FROM t WHERE b = 'rows:7'",
            "SELECT a FROM t WHERE b = 'rows:0'",
            "INSERT INTO t VALUES ('rows:3')",
            "UPDATE t SET a = 'error:23505'",
            "",
        ],
    )
    .await;
    let queries = |verb: &str, status: &str| {
        let labels = [
            ("database", "cellar"),
            ("user", "app"),
            ("verb", verb),
            ("status", status),
        ];
        scrape.sum("queries_total", &labels)
    };
    assert_eq!(queries("SELECT", "ok"), 2.0);
    assert_eq!(queries("INSERT", "ok"), 1.0);
    assert_eq!(queries("UPDATE", "error"), 1.0);
    assert_eq!(queries("EMPTY", "ok"), 1.0, "{scrape:?}");
    assert_eq!(scrape.sum("queries_total", &[]), 5.0);
    assert_eq!(scrape.sum("query_duration_seconds_count", &[]), 5.0);
    assert_eq!(scrape.sum("query_first_byte_seconds_count", &[]), 5.0);
    let rows = |verb| scrape.sum("query_rows_total", &[("verb", verb)]);
    assert_eq!(
        (rows("SELECT"), rows("INSERT"), rows("UPDATE")),
        (7.0, 3.0, 0.0)
    );
    let setup = [("database", "cellar")];
    assert_eq!(scrape.sum("connection_setup_seconds_count", &setup), 1.0);
}

#[tokio::test]
async fn errors_count_by_sqlstate() {
    let (proxy, admin) = start().await;
    let scrape = run(
        &proxy,
        &admin,
        &[
            "SELECT 'error:42P01'",
            "SELECT 'error:42P01'",
            "SELECT 'error:57014'",
            "SELECT 'error:b@d'",
        ],
    )
    .await;
    for (code, count) in [("42P01", 2.0), ("57014", 1.0), ("XX000", 1.0)] {
        let labels = [("database", "cellar"), ("sqlstate", code)];
        assert_eq!(scrape.sum("errors_total", &labels), count, "{code}");
    }
    assert_eq!(scrape.sum("errors_total", &[]), 4.0);
}

#[tokio::test]
async fn transactions_end_in_one_of_three_ways() {
    let (proxy, admin) = start().await;
    let scrape = run(
        &proxy,
        &admin,
        &[
            "BEGIN",
            "SELECT 1 AS a",
            "COMMIT", //
            "BEGIN",
            "ROLLBACK", //
            "BEGIN",
            "SELECT 'error:23505'",
            "COMMIT",        //
            "SELECT 2 AS a", //
            "BEGIN",
            "SELECT 3 AS a",
        ],
    )
    .await;
    for (outcome, count) in [("commit", 1.0), ("rollback", 2.0), ("lost", 1.0)] {
        let labels = [("database", "cellar"), ("outcome", outcome)];
        for metric in [
            "transactions_total",
            "transaction_duration_seconds_count",
            "idle_in_transaction_seconds_count",
        ] {
            assert_eq!(scrape.sum(metric, &labels), count, "{metric} {outcome}");
        }
        let sum = |metric: &str| scrape.sum(metric, &labels);
        let (whole, idle) = (
            sum("transaction_duration_seconds_sum"),
            sum("idle_in_transaction_seconds_sum"),
        );
        assert!(
            idle > 0.0 && idle < whole,
            "{outcome}: {idle} of {whole} seconds idle"
        );
    }
}

#[tokio::test]
async fn whoever_asks_is_told_of_every_query_that_has_been_answered() {
    let (proxy, admin) = start().await;
    let mut app = App::connect(&proxy).await;
    for sent in (1..=9).step_by(3) {
        app.query(&author(sent)).await;
        let scrape = admin.scrape().await;
        assert_eq!(scrape.sum("queries_total", &[]), f64::from(sent));
        for (path, has) in [
            ("/api/v1/statements", format!(r#""calls":{}"#, sent + 1)),
            ("/api/v1/sessions", format!(r#""queries":{}"#, sent + 2)),
        ] {
            app.query(&author(sent)).await;
            let answer = admin.get(path).await;
            assert!(answer.contains(&has), "{path} without {has}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_pipeline_is_many_queries_on_the_wire_and_one_of_the_request() {
    let (proxy, admin) = start().await;
    let mut app = App::connect(&proxy).await;
    let types = app.pipeline("INSERT INTO t VALUES ($1, 'rows:2')", 5).await;
    assert_eq!(types, "12C2C2C2C2CZ");
    app.quit().await;
    let one = |scrape: &Scrape| scrape.sum("requests_total", &[]) == 1.0;
    let scrape = admin.eventually("the request", one).await;
    assert_eq!(scrape.sum("queries_total", &[("verb", "INSERT")]), 5.0);
    assert_eq!(scrape.sum("query_rows_total", &[("verb", "INSERT")]), 10.0);
    assert_eq!(scrape.sum("request_queries_sum", &[]), 1.0);
}

/// What is counted by statement and what is counted by verb are the same queries.
fn assert_conserved(scrape: &Scrape) {
    let with_statement = scrape.sum("queries_total", &[])
        - scrape.sum("queries_total", &[("verb", "EMPTY")])
        - scrape.sum("queries_total", &[("verb", "FUNCTION")]);
    assert_eq!(scrape.sum("statement_calls_total", &[]), with_statement);
    let rows = scrape.sum("query_rows_total", &[]);
    assert_eq!(scrape.sum("statement_rows_total", &[]), rows);
    let timed = scrape.sum("statement_duration_seconds_count", &[]);
    assert_eq!(timed, with_statement);
}

#[tokio::test]
async fn no_query_is_lost_between_the_metrics_even_where_the_table_of_statements_overflows() {
    let (proxy, admin) = start_with(|mut setup| {
        setup.stats.statements = 4;
        setup
    })
    .await;
    let mut app = App::connect(&proxy).await;
    let mut sent = 0;
    for round in 0..30 {
        let columns: Vec<String> = (0..=round % 10).map(|n| format!("c{n}")).collect();
        let sql = format!("SELECT {} FROM t WHERE a = {round}", columns.join(", "));
        app.query(&sql).await;
        app.query("SELECT 1 AS a; SELECT 2 AS b; SELECT 'error:22012'")
            .await;
        app.query("").await;
        app.pipeline("UPDATE t SET a = $1", 3).await;
        sent += 1 + 3;
    }
    let at_least = |scrape: &Scrape| scrape.sum("queries_total", &[("verb", "UPDATE")]) == 90.0;
    let scrape = admin.eventually("the last query", at_least).await;
    assert!(scrape.sum("queries_total", &[]) > f64::from(sent));
    assert_conserved(&scrape);
    let other = [("fingerprint", "other")];
    assert!(scrape.sum("statement_calls_total", &other) > 0.0);
    let named = scrape
        .series("statement_calls_total", &[])
        .filter(|series| series.labels["fingerprint"] != "other");
    assert_eq!(named.count(), 4);
    let evictions = [("table", "statements")];
    assert!(scrape.sum("table_evictions_total", &evictions) > 0.0);
    assert_eq!(scrape.sum("table_entries", &evictions), 4.0);
}

#[tokio::test]
async fn literals_and_rows_are_in_no_answer_of_the_admin_server() {
    let (proxy, admin) = start().await;
    run(
        &proxy,
        &admin,
        &[
            "SELECT a FROM t WHERE b = 'confidential' AND c = 31337 /* confidential */",
            "SELECT 'error:22012', 'confidential'",
            &author(31337),
        ],
    )
    .await;
    for path in [
        "/metrics",
        "/",
        "/api/v1/findings",
        "/api/v1/requests",
        "/api/v1/statements",
        "/api/v1/sessions",
        "/api/v1/boundaries",
    ] {
        let answer = admin.get(path).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        for secret in ["confidential", "31337", "secret"] {
            assert!(!answer.contains(secret), "{path} shows {secret}");
        }
    }
}
