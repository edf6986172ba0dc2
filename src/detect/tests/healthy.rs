//! Requests without a mistake: nothing may be found in them.

use super::super::testing::*;
use super::*;
use crate::request::Boundary;
use crate::sql::Limit;

fn assert_healthy(scenario: Scenario) {
    let found = words(&scenario.findings());
    assert!(found.is_empty(), "{found:?}");
}

/// Many queries, but no loop.
fn assert_no_loop(scenario: Scenario) {
    assert_eq!(words(&scenario.findings()), ["request_query_count"]);
}

fn user() -> Sql {
    get("auth_user")
}

/// `Book.objects.prefetch_related("author", "tags")`
#[test]
fn prefetch_related() {
    let mut tags =
        list("lib_tag", &["id", "name"]).join(("lib_tag", "id"), ("lib_book_tags", "tag_id"));
    tags.facts.prefetch = true;
    assert_healthy(
        Scenario::new()
            .run(user(), 7, 1)
            .run(books(), 0, 100)
            .run(filter_in("lib_author", "id", 40), 1, 40)
            .run(tags, 2, 200)
            .change(|entry| entry.in_arity = 100),
    );
}

/// `Book.objects.select_related("author")`
#[test]
fn select_related() {
    let books = books()
        .reads("lib_author", "id")
        .reads("lib_author", "name")
        .join(("lib_book", "author_id"), ("lib_author", "id"));
    assert_healthy(Scenario::new().run(user(), 7, 1).run(books, 0, 100));
}

/// What `select_related()` has fetched is not what a loop of `get()` follows.
#[test]
fn a_joined_key_is_not_blamed() {
    let books = books()
        .reads("lib_author", "id")
        .join(("lib_book", "author_id"), ("lib_author", "id"));
    let finding = only(
        Scenario::new()
            .run(books, 0, 8)
            .each(8, &[(get("lib_author"), 1)])
            .findings(),
    );
    assert_eq!(finding.kind, "loop_get");
}

/// `Paginator`: the count, then one page.
#[test]
fn paginator() {
    assert_healthy(Scenario::new().run(count_all("lib_book"), 0, 1).run(
        books().ordered("id").offset(),
        1,
        20,
    ));
}

/// An export that walks all pages, by offset or by the last key.
#[test]
fn pages_of_a_list() {
    assert_healthy(Scenario::new().each(9, &[(books().ordered("id").offset(), 100)]));
    let by_key = filter("lib_book", "author_id")
        .ordered("id")
        .narrowed()
        .limit(Limit::Other);
    assert_healthy(
        Scenario::new()
            .run(authors(), 0, 9)
            .each(9, &[(by_key, 100)]),
    );
}

/// The admin's changelist counts twice.
#[test]
fn admin_changelist() {
    assert_healthy(
        Scenario::new()
            .run(get_by("django_session", "session_key"), 1, 1)
            .run(user(), 7, 1)
            .run(count_all("lib_book"), 0, 1)
            .run(count_all("lib_book"), 0, 1)
            .run(books().ordered("id").limit(Limit::Other), 0, 100),
    );
}

/// `Book.objects.prefetch_related("author").iterator(chunk_size=100)`: a batch a chunk.
#[test]
fn prefetch_in_chunks() {
    assert_healthy(
        Scenario::new()
            .run(books().cursor(), 0, 900)
            .each(9, &[(filter_in("lib_author", "id", 100), 100)]),
    );
    // Small chunks are still batches.
    assert_healthy(
        Scenario::new()
            .run(books(), 0, 45)
            .each(9, &[(filter_in("lib_author", "id", 5), 5)]),
    );
}

/// `for pk in pks: book = Book.objects.select_for_update().get(pk=pk); …; book.save()` locks the row it writes.
#[test]
fn a_loop_that_locks_by_key() {
    let locked = get("lib_book").for_update();
    assert_healthy(Scenario::new().each(5, &[(locked, 1), (update("lib_book"), 1)]));
}

/// A page that reads one object of each of nine tables.
#[test]
fn one_object_of_each_table() {
    let mut scenario = Scenario::new();
    for table in 0..9 {
        scenario = scenario.run(get(&format!("lib_t{table}")), 1, 1);
    }
    assert_healthy(scenario);
}

/// Thirty of them are many queries, but no loop.
#[test]
fn thirty_queries_of_distinct_tables_are_no_loop() {
    let mut scenario = Scenario::new();
    for table in 0..30 {
        scenario = scenario.run(get(&format!("lib_t{table}")), table, 1);
    }
    assert_no_loop(scenario);
}

/// A worker that asks for its next job every second, and one that watches a row.
#[test]
fn polling() {
    let next_job = filter("jobs_job", "status").limit(Limit::One).for_update();
    let mut scenario = Scenario::new();
    for _ in 0..9 {
        scenario = scenario.run(next_job.clone(), 0, 0).wait(1_000);
    }
    assert_healthy(scenario);
    let mut scenario = Scenario::new();
    for _ in 0..9 {
        scenario = scenario.run(get("jobs_job"), 7, 1).wait(1_500);
    }
    assert_healthy(scenario);
}

/// `repr()` of a query set and slices of 21 are not `get()`.
#[test]
fn twenty_one_rows_are_a_slice() {
    let slice = filter("lib_book", "author_id").limit(Limit::TwentyOne);
    let page = Scenario::new().run(authors(), 0, 6).each(6, &[(slice, 21)]);
    assert_eq!(words(&page.findings()), ["repr_queryset"]);
}

/// Tables that Django and its kin read for themselves.
#[test]
fn system_tables() {
    for table in [
        "django_content_type",
        "django_migrations",
        "pg_class",
        "waffle_flag",
    ] {
        assert_healthy(Scenario::new().each(9, &[(get(table), 1)]));
    }
}

/// A persistent connection without any sign of a request's limits: nine small requests look like one loop.
#[test]
fn small_requests_that_were_taken_for_one() {
    let detail = [
        (get_by("django_session", "session_key"), 1),
        (user(), 1),
        (get("lib_book").reads("lib_book", "author_id"), 1),
        (get("lib_author"), 1),
    ];
    for boundary in [Boundary::None, Boundary::Gap] {
        assert_healthy(Scenario::new().boundary(boundary).each(9, &detail));
    }
    // Each shows a list, and then one author of the list.
    let list_and_detail = [(books(), 20), (get("lib_author"), 1)];
    assert_healthy(
        Scenario::new()
            .boundary(Boundary::None)
            .each(9, &list_and_detail),
    );
    // The same user each time.
    let mut scenario = Scenario::new().boundary(Boundary::None);
    for _ in 0..30 {
        scenario = scenario.run(user(), 7, 1);
    }
    assert_healthy(scenario);
}

/// A request without queries, and one whose entries name no group.
#[test]
fn odd_requests_are_survived() {
    assert_healthy(Scenario::new());
    let mut request = Scenario::new().each(9, &[(get("lib_author"), 1)]).request();
    request.groups.clear();
    assert_eq!(
        super::super::Detectors::new(&Default::default()).inspect(&request),
        []
    );
    let mut request = Scenario::new().each(9, &[(get("lib_author"), 1)]).request();
    request.entries.clear();
    assert_eq!(
        super::super::Detectors::new(&Default::default()).inspect(&request),
        []
    );
}

/// What the request's own user, session and permissions cost is not a loop, however often pages are read.
#[test]
fn a_page_of_everyday_queries() {
    assert_healthy(
        Scenario::new()
            .run(get_by("django_session", "session_key"), 1, 1)
            .run(user(), 7, 1)
            .run(filter("auth_user_groups", "user_id"), 7, 2)
            .run(count_all("lib_book"), 0, 1)
            .run(books().ordered("id").offset(), 1, 20)
            .run(filter_in("lib_author", "id", 12), 2, 12)
            .run(exists("shop_cart", "user_id"), 7, 1)
            .run(update("django_session"), 1, 1),
    );
}

/// Three statements three times each: too few of each for a loop, and each with values of its own.
#[test]
fn three_rounds_of_a_pattern() {
    let body = ["lib_a", "lib_b", "lib_c"].map(|table| (get(table), 1));
    assert_healthy(Scenario::new().each(3, &body));
}
