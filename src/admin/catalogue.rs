//! Every metric: name, type, labels and help. `docs/metrics.md` says the same at length; a test compares them.

use prometheus::proto::MetricType;

/// What is fixed about a metric.
#[derive(Debug)]
pub struct Spec {
    /// The name without the prefix `pgscope_`.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricType,
    /// Names of its labels, sorted.
    pub labels: &'static [&'static str],
    /// The help text.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Spec {
    let kind = MetricType::COUNTER;
    Spec {
        name,
        kind,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Spec {
    let kind = MetricType::GAUGE;
    Spec {
        name,
        kind,
        labels,
        help,
    }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Spec {
    let kind = MetricType::HISTOGRAM;
    Spec {
        name,
        kind,
        labels,
        help,
    }
}

/// Declares the metrics and the list of all of them at once, so that none can be left out of the list.
macro_rules! catalogue {
    ($($id:ident = $kind:ident($name:literal, [$($label:literal),*], $help:literal);)+) => {
        $(pub const $id: Spec = $kind($name, &[$($label),*], $help);)+

        /// All metrics but `process_*`.
        pub const ALL: &[Spec] = &[$($id),+];
    };
}

#[rustfmt::skip]
#[allow(missing_docs, reason = "the help text is the documentation")]
mod specs {
    use super::*;

    catalogue! {
        BUILD_INFO = gauge("build_info", ["version"], "Always 1; the version of pgscope is a label.");
        CONNECTIONS_OPEN = gauge("connections_open", [], "Connections of clients that are open.");
        CONNECTIONS_TOTAL = counter("connections_total", ["outcome"], "Connections of clients that ended, by how.");
        CONNECTION_SETUP_SECONDS = histogram("connection_setup_seconds", ["database"],
            "Time from accepting a connection to its first ReadyForQuery.");
        CANCEL_REQUESTS_TOTAL = counter("cancel_requests_total", ["database"],
            "CancelRequests that were forwarded, by database of the session that they named.");
        BYTES_TOTAL = counter("bytes_total", ["direction"],
            "Bytes read from clients (frontend) and from the server (backend).");
        QUERIES_TOTAL = counter("queries_total", ["database", "status", "user", "verb"],
            "Queries that ended, of every kind, by SQL command and whether they failed.");
        QUERY_DURATION_SECONDS = histogram("query_duration_seconds", ["database", "verb"],
            "Time from the last byte of a query to the last byte of its reply.");
        QUERY_FIRST_BYTE_SECONDS = histogram("query_first_byte_seconds", ["database", "verb"],
            "Time from the last byte of a query to the first byte of its reply.");
        QUERY_TRANSFER_SECONDS_TOTAL = counter("query_transfer_seconds_total", ["database", "verb"],
            "Time from the first to the last byte of replies, without the time in which the client did not take them.");
        CLIENT_STALL_SECONDS_TOTAL = counter("client_stall_seconds_total", ["database", "verb"],
            "Time in which bytes of replies waited for the client.");
        BATCHES_TOTAL = counter("batches_total", ["database"], "Pipelined batches: two queries or more between two Syncs.");
        BATCH_DURATION_SECONDS = histogram("batch_duration_seconds", ["database"],
            "Time from the first byte of a batch to its ReadyForQuery.");
        THINK_SECONDS_TOTAL = counter("think_seconds_total", ["database"],
            "Time within requests in which the server owed nothing and waited for the next query.");
        QUERY_ROWS_TOTAL = counter("query_rows_total", ["database", "verb"], "Rows returned or changed by queries.");
        ERRORS_TOTAL = counter("errors_total", ["database", "sqlstate"], "ErrorResponse messages of the server by SQLSTATE.");
        TRANSACTIONS_TOTAL = counter("transactions_total", ["database", "outcome"], "Transaction blocks that ended, by how.");
        TRANSACTION_DURATION_SECONDS = histogram("transaction_duration_seconds", ["database", "outcome"],
            "Time from the start of a transaction block to its end.");
        IDLE_IN_TRANSACTION_SECONDS = histogram("idle_in_transaction_seconds", ["database", "outcome"],
            "Time that a transaction block waited for its client, all waits together.");
        REQUESTS_TOTAL = counter("requests_total", ["boundary", "route"],
            "Requests with at least one query, by route and by how their limits were found.");
        REQUEST_QUERIES = histogram("request_queries", ["boundary", "route"], "Data queries of the application per request.");
        REQUEST_DATABASE_SECONDS = histogram("request_database_seconds", ["boundary", "route"],
            "Time of the data queries of a request together.");
        REQUEST_DURATION_SECONDS = histogram("request_duration_seconds", ["boundary", "route"],
            "Time from the first statement of a request to its last ReadyForQuery.");
        HEALTH_CHECK_REQUESTS_TOTAL = counter("health_check_requests_total", ["database"],
            "Requests and connections of nothing but SELECT 1 or empty queries, which count as no requests.");
        STATEMENT_CALLS_TOTAL = counter("statement_calls_total", ["fingerprint"], "Queries by statement.");
        STATEMENT_ROWS_TOTAL = counter("statement_rows_total", ["fingerprint"], "Rows returned or changed by statement.");
        STATEMENT_DURATION_SECONDS = histogram("statement_duration_seconds", ["fingerprint"],
            "Time from the last byte of a query to the last byte of its reply, by statement.");
        STATEMENT_INFO = gauge("statement_info", ["fingerprint", "query", "table", "verb"],
            "Always 1; the normalised text of a statement, its main table and SQL command are labels.");
        FINDINGS_TOTAL = counter("findings_total", ["detector", "fingerprint", "route", "severity"],
            "Requests in which a detector found a cause.");
        N_PLUS_ONE_TOTAL = counter("n_plus_one_total", ["fingerprint", "fix", "kind", "parent", "relation", "route"],
            "Requests in which a statement was run once for each row of another.");
        N_PLUS_ONE_WASTED_SECONDS_TOTAL = counter("n_plus_one_wasted_seconds_total", ["fingerprint", "route"],
            "Time that the repeated queries of N+1 findings took beyond the first.");
        SLOW_QUERIES_TOTAL = counter("slow_queries_total", ["fingerprint", "route"],
            "Queries at or above the threshold of the detector slow_query.");
        SESSIONS_BLIND_TOTAL = counter("sessions_blind_total", ["reason"],
            "Sessions that are forwarded but no longer decoded, by why.");
        EVENTS_DROPPED_TOTAL = counter("events_dropped_total", ["reason"], "What is missing from the other counts, by why.");
        TABLE_ENTRIES = gauge("table_entries", ["table"], "Entries of a bounded table.");
        TABLE_EVICTIONS_TOTAL = counter("table_evictions_total", ["table"],
            "Entries that a full bounded table evicted, or refused for lack of room.");
        PROFILING_SECONDS_TOTAL = counter("profiling_seconds_total", ["stage"], "Time that the profiling itself took, by stage.");
        SCRAM_PLUS_REMOVED_TOTAL = counter("scram_plus_removed_total", [],
            "Logins in which SCRAM-SHA-256-PLUS was taken out of the server's offer: the only messages that pgscope changes.");
        EXPLAIN_TOTAL = counter("explain_total", ["outcome"],
            "Questions to the server on the side connection of [explain], by what came of them.");
        UPSTREAM_UP = gauge("upstream_up", ["upstream"],
            "1 where the last attempt to connect to the server succeeded, else 0.");
    }
}

pub use specs::*;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use prometheus::core::Desc;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for spec in ALL {
            assert_eq!(
                spec.name.ends_with("_total"),
                spec.kind == MetricType::COUNTER,
                "{}",
                spec.name
            );
            assert!(spec.labels.is_sorted(), "{}", spec.name);
            assert!(spec.help.ends_with('.'), "{}", spec.name);
            let labels = spec.labels.iter().map(|label| (*label).to_owned());
            let (name, help) = (format!("pgscope_{}", spec.name), spec.help.to_owned());
            assert!(Desc::new(name, help, labels.collect(), HashMap::new()).is_ok());
        }
        let names: HashSet<_> = ALL.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    /// Rows of the tables in docs/metrics.md: name, type, labels.
    fn documented() -> Vec<(String, String, String)> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `pgscope_"));
        rows.map(|line| {
            let mut cells = line
                .split('|')
                .skip(1)
                .map(|cell| cell.trim().replace('`', ""));
            let mut cell = || cells.next().unwrap();
            (cell(), cell(), cell())
        })
        .collect()
    }

    #[test]
    fn the_documentation_lists_each_metric_with_its_type_and_labels_and_no_other() {
        let mut expected: Vec<_> = ALL
            .iter()
            .map(|spec| {
                let kind = format!("{:?}", spec.kind).to_lowercase();
                (
                    format!("pgscope_{}", spec.name),
                    kind,
                    spec.labels.join(", "),
                )
            })
            .collect();
        let mut documented: Vec<_> = documented()
            .into_iter()
            .map(|(name, kind, labels)| {
                let mut labels: Vec<&str> = labels.split(", ").collect();
                labels.sort_unstable();
                (name, kind, labels.join(", "))
            })
            .collect();
        expected.sort();
        documented.sort();
        assert_eq!(documented, expected);
    }
}
