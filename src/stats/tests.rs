use super::*;
use crate::session::{BlindReason, SqlState};
use crate::sql::{Fingerprint, Statement, Verb};
use std::sync::Arc;

fn sample(statement: Option<StatementSlot>) -> QuerySample {
    QuerySample {
        statement,
        verb: Verb::Select,
        error: false,
        nanos: 3_000_000,
        first_byte_nanos: 1_000_000,
        stalled_nanos: 0,
        rows: 2,
    }
}

fn small() -> Stats {
    Stats::new(&Settings {
        statements: 2,
        routes: 2,
        findings: 2,
        recent_requests: 2,
        databases: 2,
        users: 2,
        database_users: 2,
        sqlstates: 2,
    })
}

#[test]
fn a_query_counts_for_its_session_and_its_statement() {
    let mut stats = small();
    let key = stats.session("app", "web");
    let fingerprint = Fingerprint(7);
    for _ in 0..3 {
        let slot = stats.statement(fingerprint, || {
            Arc::new(Statement::new(fingerprint, "SELECT ?"))
        });
        stats.query(key, &sample(Some(slot)));
    }
    stats.query(key, &sample(None));
    let snapshot = stats.snapshot();
    assert_eq!(snapshot.pairs[0].queries[Verb::Select as usize], [4, 0]);
    assert_eq!(snapshot.verbs[0].duration.count(), 4);
    let (statement, totals) = &snapshot.statements[0];
    assert_eq!(statement.fingerprint, fingerprint);
    assert_eq!((totals.durations.count(), totals.rows), (3, 6));
}

#[test]
fn times_of_a_database_go_by_outcome() {
    let mut stats = small();
    let key = stats.session("app", "web");
    stats.connection_setup(key, 5_000_000);
    stats.transaction(key, TransactionOutcome::Rollback, 9_000_000);
    stats.idle_in_transaction(key, TransactionOutcome::Rollback, 4_000_000);
    let snapshot = stats.snapshot();
    let row = &snapshot.database_rows[usize::from(key.database)];
    assert_eq!(row.setup.seconds(), 0.005);
    let rollback = TransactionOutcome::Rollback as usize;
    assert_eq!(row.transactions[rollback].seconds(), 0.009);
    assert_eq!(row.idle[rollback].seconds(), 0.004);
    let commit = TransactionOutcome::Commit as usize;
    assert_eq!(row.transactions[commit].count(), 0);
}

#[test]
fn words_are_counted_under_their_own_name() {
    let mut stats = small();
    stats.blind(BlindReason::Pairing);
    stats.dropped("query_text");
    stats.table("digests", 12, 3);
    let snapshot = stats.snapshot();
    assert!(snapshot.blind.contains(&("pairing", 1)));
    assert!(snapshot.blind.contains(&("panic", 0)));
    assert!(snapshot.dropped.contains(&("query_text", 1)));
    assert!(snapshot.dropped.contains(&("pairing", 0)));
    let table = |name| snapshot.tables.iter().find(|table| table.name == name);
    assert_eq!(table("digests").unwrap().entries, 12);
    assert_eq!(table("databases").unwrap().entries, 0);
}

#[test]
fn tables_tell_how_full_they_are_and_what_they_evicted() {
    let mut stats = small();
    for number in 0..5u64 {
        let name = format!("name{number}");
        let key = stats.session(&name, &name);
        let mut code = *b"00000";
        code[4] += number as u8;
        let first = stats.session("name0", "name0");
        stats.error(first, SqlState(code));
        let fingerprint = Fingerprint(number);
        let slot = stats.statement(fingerprint, || {
            Arc::new(Statement::new(fingerprint, "SELECT ?"))
        });
        stats.query(key, &sample(Some(slot)));
    }
    let snapshot = stats.snapshot();
    for name in ["databases", "users", "sqlstates", "statements"] {
        let table = snapshot.tables.iter().find(|table| table.name == name);
        let table = table.unwrap();
        assert_eq!((table.entries, table.evictions), (2, 3), "{name}");
    }
    let queries: u64 = snapshot
        .pairs
        .iter()
        .flat_map(|p| p.queries)
        .flatten()
        .sum();
    assert_eq!(queries, 5);
}

#[test]
fn lists_of_an_unknown_database_are_empty() {
    let mut stats = small();
    let key = stats.session("app", "web");
    let slot = stats.statement(Fingerprint(1), || {
        Arc::new(Statement::new(Fingerprint(1), "SELECT ?"))
    });
    stats.query(key, &sample(Some(slot)));
    let of = |database: &str| Filter {
        database: Some(database.to_owned()),
        ..Filter::default()
    };
    assert_eq!(stats.statements(&of("app")).len(), 1);
    assert_eq!(stats.statements(&of("nowhere")).len(), 0);
    assert_eq!(stats.findings(&of("nowhere")).len(), 0);
}
