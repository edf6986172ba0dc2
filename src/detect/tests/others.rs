//! Duplicates, slow queries, many queries, and what the settings change.

use super::super::testing::*;
use super::super::{Detectors, Evidence, Settings, Severity};
use super::*;
use crate::request::Boundary;
use crate::sql::Limit;

fn thrice(sql: &Sql) -> Scenario {
    (0..3).fold(Scenario::new(), |scenario, _| {
        scenario.run(sql.clone(), 7, 1)
    })
}

/// `Cart.objects.get(user=user)` in the view, in a mixin and in the template.
#[test]
fn duplicate_query() {
    let cart = get_by("shop_cart", "user_id");
    let finding = only(
        Scenario::new()
            .run(cart.clone(), 7, 1)
            .run(books(), 0, 2)
            .run(cart.clone(), 7, 1)
            .run(update("lib_book"), 1, 1)
            .run(cart, 7, 1)
            .findings(),
    );
    assert_eq!(finding.cause.detector, "duplicate_query");
    assert_eq!((finding.count, finding.severity), (3, Severity::Warning));
    assert!((finding.wasted_seconds - 0.002).abs() < 1e-9);
    assert!(
        finding.fix.starts_with("keep the result in a variable"),
        "{}",
        finding.fix
    );
}

#[test]
fn two_equal_queries_are_not_worth_a_word() {
    let cart = get_by("shop_cart", "user_id");
    assert_eq!(
        Scenario::new()
            .run(cart.clone(), 7, 1)
            .run(cart, 7, 1)
            .findings(),
        []
    );
}

/// A write, a ROLLBACK, another answer, a lock or a pause is a reason to ask again.
#[test]
fn asking_again_with_a_reason_is_no_duplicate() {
    let cart = || get_by("shop_cart", "user_id");
    let between = |change: fn(Scenario) -> Scenario| {
        let twice = Scenario::new().run(cart(), 7, 1).run(cart(), 7, 1);
        change(twice).run(cart(), 7, 1).run(cart(), 7, 1).findings()
    };
    assert_eq!(between(|same| same).len(), 1);
    assert_eq!(between(|it| it.run(update("shop_cart"), 7, 1)), []);
    assert_eq!(between(Scenario::rollback), []);
    assert_eq!(between(|it| it.wait(2_000)), []);
    let mut grows = Scenario::new();
    for rows in 0..6 {
        grows = grows.run(filter("shop_line", "cart_id"), 7, rows);
    }
    assert_eq!(grows.findings(), []);
    assert_eq!(thrice(&cart().for_update()).findings(), []);
}

/// Another answer of the same size, a function, and a lock between: each may be why it was asked again.
#[test]
fn an_answer_that_changes_is_no_duplicate() {
    let cart = || get_by("shop_cart", "user_id");
    let polled = (0..6).fold(Scenario::new(), |scenario, digest| {
        let scenario = scenario.run(cart(), 7, 1);
        scenario.change(|entry| entry.digest = digest / 2)
    });
    assert_eq!(polled.findings(), []);
    let between = |sql: Sql| {
        let twice = Scenario::new().run(cart(), 7, 1).run(cart(), 7, 1);
        let twice = twice.run(sql, 1, 1);
        twice.run(cart(), 7, 1).run(cart(), 7, 1).findings().len()
    };
    assert_eq!(between(get_by("shop_user", "name")), 1);
    assert_eq!(between(list("", &["pg_advisory_xact_lock"])), 0);
    assert_eq!(between(get_by("shop_cart", "id").for_update()), 0);
}

/// Two requests that were taken for one ask the same with every right.
#[test]
fn guessed_requests_have_no_duplicates() {
    let user = get("auth_user");
    for (boundary, found) in [
        (Boundary::None, 0),
        (Boundary::Gap, 0),
        (Boundary::Transaction, 1),
        (Boundary::Trace, 1),
    ] {
        assert_eq!(
            thrice(&user).boundary(boundary).findings().len(),
            found,
            "{boundary:?}"
        );
    }
}

#[test]
fn duplicates_have_a_fix_for_their_table() {
    for (sql, fix) in [
        (
            count_all("lib_book"),
            "show_full_result_count = False on the ModelAdmin",
        ),
        (
            get("django_content_type"),
            "ContentType.objects.get_for_model()",
        ),
        (
            get_by("django_site", "domain"),
            "Site.objects.get_current()",
        ),
        (get_by("waffle_flag", "name"), "cache.get_or_set("),
        (get("lib_book"), "keep the result in a variable"),
    ] {
        let finding = only(thrice(&sql).findings());
        assert!(finding.fix.starts_with(fix), "{}", finding.fix);
    }
}

/// All books are by one author: the loop is the mistake, though its value never changes.
#[test]
fn a_loop_with_one_value_is_a_duplicate_that_names_the_relation() {
    let mut scenario = Scenario::new().run(books(), 0, 6);
    for _ in 0..6 {
        scenario = scenario.run(get("lib_author"), 7, 1);
    }
    let finding = only(scenario.findings());
    assert_eq!(finding.cause.detector, "duplicate_query");
    assert_eq!(
        finding.fix,
        "select_related(\"author\") on the query that reads lib_book, or keep the object in a variable"
    );
}

#[test]
fn slow_query() {
    let slow = filter("shop_order", "status").ordered("created");
    let finding = only(Scenario::new().took(slow.clone(), 1, 10, 140).findings());
    assert_eq!(finding.cause.detector, "slow_query");
    assert_eq!((finding.count, finding.severity), (1, Severity::Warning));
    assert_eq!(finding.evidence, Evidence::Measured);
    assert!((finding.wasted_seconds - 0.040).abs() < 1e-9);
    assert!(finding.fix.contains("EXPLAIN (ANALYZE, BUFFERS)"));
    assert!(
        (finding.fix).contains(
            "Meta.indexes = [models.Index(fields=[\"status\", \"created\"])] on shop_order"
        ),
        "{}",
        finding.fix
    );
    let critical = only(Scenario::new().took(slow.clone(), 1, 10, 500).findings());
    assert_eq!(critical.severity, Severity::Critical);
    assert_eq!(Scenario::new().took(slow, 1, 10, 99).findings(), []);
}

/// Django makes an index for a primary key and for each foreign key.
#[test]
fn slow_query_suggests_no_index_that_exists() {
    for sql in [get("lib_book"), filter("lib_book", "author_id"), books()] {
        let finding = only(Scenario::new().took(sql, 1, 1, 200).findings());
        assert!(!finding.fix.contains("Index"), "{}", finding.fix);
    }
    let latest = books().ordered("price").limit(Limit::One);
    let finding = only(Scenario::new().took(latest, 1, 1, 200).findings());
    assert!(
        finding.fix.contains("fields=[\"price\"]"),
        "{}",
        finding.fix
    );
}

#[test]
fn a_slow_write_may_have_waited_for_a_lock() {
    let finding = only(
        Scenario::new()
            .took(update("lib_book"), 1, 1, 200)
            .findings(),
    );
    assert!(finding.fix.contains("rolled back"), "{}", finding.fix);
    assert!(finding.fix.contains("lock"), "{}", finding.fix);
}

#[test]
fn cursors_copies_and_ddl_may_take_their_time() {
    for text in [
        "COPY lib_book FROM STDIN",
        "CREATE INDEX CONCURRENTLY i ON lib_book (title)",
        "DECLARE \"_django_curs_#\" CURSOR FOR SELECT 1",
        "LISTEN jobs",
    ] {
        let mut request = Scenario::new().took(books(), 1, 1, 200).request();
        let statement = &request.groups[0].statement;
        request.groups[0].statement = std::sync::Arc::new(crate::sql::Statement {
            fingerprint: statement.fingerprint,
            text: text.into(),
            facts: statement.facts.clone(),
        });
        assert_eq!(
            Detectors::new(&Settings::default()).inspect(&request),
            [],
            "{text}"
        );
    }
}

fn distinct_queries(queries: u64) -> Scenario {
    (0..queries).fold(Scenario::new(), |scenario, table| {
        scenario.run(get(&format!("lib_t{table}")), 1, 1)
    })
}

#[test]
fn request_query_count() {
    for (queries, severity) in [
        (10, None),
        (11, Some(Severity::Info)),
        (30, Some(Severity::Info)),
        (31, Some(Severity::Warning)),
        (101, Some(Severity::Critical)),
    ] {
        let findings = distinct_queries(queries).findings();
        assert_eq!(
            findings.first().map(|finding| finding.severity),
            severity,
            "{queries}"
        );
    }
    let finding = only(
        distinct_queries(9)
            .run(get("lib_t3"), 2, 1)
            .run(get("lib_t3"), 3, 1)
            .findings(),
    );
    assert_eq!((finding.count, finding.cause.fingerprint), (11, None));
    assert!(finding.fix.ends_with("SELECT of lib_t3"), "{}", finding.fix);
}

#[test]
fn request_query_count_needs_limits_and_a_user_who_waits() {
    assert_eq!(distinct_queries(50).boundary(Boundary::Gap).findings(), []);
    assert_eq!(distinct_queries(50).task().findings(), []);
}

/// The loop is the reason for the number: one finding is enough.
#[test]
fn request_query_count_is_silent_where_a_loop_explains_it() {
    let page = |others| {
        distinct_queries(others)
            .run(books(), 0, 30)
            .each(30, &[(get("lib_author"), 1)])
            .findings()
    };
    assert_eq!(words(&page(9)), ["n_plus_one forward_fk lib_book author"]);
    assert_eq!(
        words(&page(10)),
        [
            "n_plus_one forward_fk lib_book author",
            "request_query_count"
        ]
    );
}

fn with(settings: &str, scenario: Scenario) -> usize {
    let settings: Settings = toml::from_str(settings).unwrap();
    assert_eq!(settings.validate(), Ok(()));
    Detectors::new(&settings).inspect(&scenario.request()).len()
}

#[test]
fn what_the_user_allows_is_not_reported() {
    let page = || {
        Scenario::new()
            .run(books(), 0, 8)
            .each(8, &[(get("lib_author"), 1)])
    };
    let accused = only(page().findings()).cause.fingerprint.unwrap();
    let other = crate::sql::Fingerprint(!accused.0);
    for (allow, found) in [
        ("tables = [\"lib_author\"]".to_owned(), 0),
        ("tables = [\"lib_a*\"]".to_owned(), 0),
        ("tables = [\"lib_book\"]".to_owned(), 1),
        ("routes = [\"books/\"]".to_owned(), 0),
        ("routes = [\"admin/*\"]".to_owned(), 1),
        (format!("fingerprints = [\"{accused}\"]"), 0),
        (format!("fingerprints = [\"{other}\"]"), 1),
    ] {
        let settings = format!("[n_plus_one.allow]\n{allow}");
        assert_eq!(with(&settings, page()), found, "{allow}");
    }
    assert_eq!(with("n_plus_one = { enabled = false }", page()), 0);
}

#[test]
fn thresholds_are_settings() {
    let page = || {
        Scenario::new()
            .run(books(), 0, 8)
            .each(8, &[(get("lib_author"), 1)])
    };
    assert_eq!(
        with(
            "n_plus_one = { min_calls = 9, count_calls = 9, critical_calls = 9 }",
            page()
        ),
        0
    );
    assert_eq!(
        with(
            "request_query_count = { info = 40, warning = 40 }",
            distinct_queries(40)
        ),
        0
    );
    assert_eq!(
        with(
            "duplicate_query = { min_calls = 4 }",
            thrice(&get("lib_book"))
        ),
        0
    );
}
