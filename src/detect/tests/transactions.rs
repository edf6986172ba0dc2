//! Transactions that wait, that are long, and that go on in vain.

use super::django::Session;
use super::writes::{BOOKS, CREATE, GET_TAG, each};

#[test]
fn waits_in_a_transaction() {
    let idle = |millis| Session::new().atomic(millis, |it| it.run(CREATE, 1));
    let severity = |millis| {
        let found = idle(millis).inspect(&crate::detect::Settings::default());
        found
            .iter()
            .map(|one| format!("{} {}", one.cause.detector, one.severity.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(severity(199), [""; 0]);
    assert_eq!(severity(200), ["idle_in_transaction warning"]);
    // Long for no other reason than the wait: once is enough.
    assert_eq!(severity(1_500), ["idle_in_transaction critical"]);
    // What is done with the rows of a cursor is done in between.
    let cursor = r#"DECLARE "_django_curs_1_sync_1" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1"#;
    assert_eq!(
        Session::new().atomic(300, |it| it.run(cursor, 0)).all(),
        [""; 0]
    );
}

#[test]
fn long_transactions() {
    let working = |millis: u64| {
        // Busy, not idle.
        let it = |it: Session| it.run(CREATE, 1).wait_millis(millis);
        let found = Session::new()
            .atomic(0, it)
            .inspect(&crate::detect::Settings::default());
        found
            .iter()
            .map(|one| format!("{} {}", one.cause.detector, one.severity.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(working(900), [""; 0]);
    assert_eq!(working(1_000), ["long_transaction warning"]);
    assert_eq!(working(10_000), ["long_transaction critical"]);
    let migration = |it: Session| {
        it.run(r#"ALTER TABLE "lib_book" ADD COLUMN "n" integer"#, 0)
            .wait_millis(2_000)
    };
    assert_eq!(Session::new().atomic(0, migration).all(), [""; 0]);
    let statements = |number: u64| {
        Session::new().atomic(0, |it| {
            (0..number).fold(it, |it, at| {
                it.run(&format!(r#"SELECT "n" FROM "t{at}""#), 1)
            })
        })
    };
    let long = |all: Vec<String>| {
        all.iter()
            .any(|found| found.starts_with("long_transaction"))
    };
    assert!(long(statements(100).all()));
    assert!(!long(statements(99).all()));
    // Those of a loop are of the loop.
    assert!(!long(
        Session::new()
            .atomic(0, |it| each(it, 120, &[(CREATE, 1)]))
            .all()
    ));
}

#[test]
fn queries_in_an_aborted_transaction() {
    let aborted = Session::new().atomic(0, |it| {
        (it.fails(CREATE, b"23505"))
            .fails(GET_TAG, b"25P02")
            .fails(BOOKS, b"25P02")
    });
    let found = super::only(aborted.inspect(&crate::detect::Settings::default()));
    assert_eq!(
        (found.cause.detector, found.count),
        ("aborted_transaction", 2)
    );
    assert!(
        found.query.starts_with("INSERT INTO \"lib_tag\""),
        "{}",
        found.query
    );
    assert!(
        found.fix.starts_with("transaction.atomic() of its own"),
        "{}",
        found.fix
    );
    // A failure that is undone by a ROLLBACK is none.
    let undone = Session::new().atomic(0, |it| it.fails(CREATE, b"23505"));
    assert_eq!(undone.run(BOOKS, 1).all(), [""; 0]);
}
