//! Queries that come too often for what they tell: `hot_query` and `cacheable_query`.

use super::*;

fn hot(sql: &Sql, millis: u64, times: u64) -> Vec<Finding> {
    let mut it = Deployment::watched_by("hot_query");
    for number in 0..times {
        it.serve(Scenario::new().run(sql.clone(), number, 1));
        it.wait(millis - 20);
    }
    it.findings
}

#[test]
fn hot_query() {
    let by_name = filter("shop_flag", "name");
    let finding = only(hot(&by_name, 100, 900));
    assert_eq!(finding.cause.detector, "hot_query");
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.fix.contains("fields=[\"name\"]"), "{}", finding.fix);
    assert!(finding.count >= 600, "{}", finding.count);
    assert!(
        only(hot(&list("shop_flag", &["id"]), 100, 900))
            .fix
            .starts_with("cache")
    );
    // Three a second; a minute is not over; indexes that Django makes; a session on each page.
    assert_eq!(hot(&by_name, 330, 900), []);
    assert_eq!(hot(&by_name, 100, 500), []);
    assert_eq!(hot(&get("shop_flag"), 100, 900), []);
    assert_eq!(hot(&filter("shop_book", "author_id"), 100, 900), []);
    assert_eq!(hot(&session(), 100, 900), []);
}

/// A burst is no rate, however many queries it has; nor is the same rate with gaps.
#[test]
fn a_burst_is_not_hot() {
    let mut it = Deployment::watched_by("hot_query");
    for number in 0..10_000 {
        it.serve(Scenario::new().run(filter("shop_flag", "name"), number, 1));
        it.wait(if number % 400 == 0 { 30_000 } else { 0 });
    }
    assert_eq!(it.findings, []);
}

fn categories() -> Sql {
    list("shop_category", &["id", "name"]).ordered("name")
}

/// Two requests a second; `change` makes what they ask.
fn cached(change: impl Fn(u64) -> Scenario) -> Vec<Finding> {
    let mut it = Deployment::watched_by("cacheable_query");
    for number in 0..40 {
        it.serve(change(number));
        it.wait(480);
    }
    it.findings
}

#[test]
fn cacheable_query() {
    let finding = only(cached(|_| Scenario::new().run(categories(), 7, 12)));
    assert_eq!(finding.cause.detector, "cacheable_query");
    // 20 in ten seconds, and those of the two seconds in which a write might still be heard of.
    assert_eq!((finding.count, finding.severity), (24, Severity::Info));
    assert!(
        finding.fix.starts_with("cache.get_or_set(…)"),
        "{}",
        finding.fix
    );
    let slow = cached(|_| Scenario::new().took(categories(), 7, 12, 90));
    assert_eq!(only(slow).severity, Severity::Warning);
}

#[test]
fn what_changes_or_is_personal_is_not_cacheable() {
    let silent: [&dyn Fn(u64) -> Scenario; 9] = [
        // Other values, other rows, no rows, a lock.
        &|number| Scenario::new().run(categories(), number, 12),
        &|number| Scenario::new().run(categories(), 7, number as u32 + 1),
        &|_| Scenario::new().run(categories(), 7, 0),
        &|_| Scenario::new().run(categories().for_update(), 7, 12),
        // Written in the same request, before or after.
        &|_| {
            Scenario::new()
                .run(categories(), 7, 12)
                .run(update("shop_category"), 7, 1)
        },
        &|_| {
            Scenario::new()
                .run(update("shop_category"), 7, 1)
                .run(categories(), 7, 12)
        },
        // One person's.
        &|_| Scenario::new().run(filter("shop_cart", "user_id"), 7, 1),
        // A worker that polls, and limits of requests that are a guess.
        &|_| Scenario::new().task().run(categories(), 7, 12),
        &|_| {
            Scenario::new()
                .boundary(Boundary::Gap)
                .run(categories(), 7, 12)
        },
    ];
    for (number, change) in silent.iter().enumerate() {
        assert_eq!(cached(change), [], "number {number}");
    }
    // Written in every tenth request only: 20 are never unwritten in between.
    let sometimes = cached(|number| {
        let scenario = Scenario::new().run(categories(), 7, 12);
        if number % 10 == 9 {
            scenario.run(insert("shop_category"), number, 1)
        } else {
            scenario
        }
    });
    assert_eq!(sometimes, []);
}

/// What runs on other connections is seen a little later.
#[test]
fn a_write_in_between_that_is_seen_behind_the_queries_counts() {
    let mut it = Deployment::watched_by("cacheable_query");
    let ask = |it: &mut Deployment| {
        it.serve(Scenario::new().run(categories(), 7, 12));
    };
    (0..15).for_each(|_| ask(&mut it));
    let between = it.now;
    (0..15).for_each(|_| ask(&mut it));
    let now = std::mem::replace(&mut it.now, between);
    it.serve(Scenario::new().run(update("shop_category"), 7, 1));
    it.now = now;
    for _ in 0..15 {
        it.wait(480);
        ask(&mut it);
    }
    assert_eq!(it.findings, []);
}

/// A transaction that goes on, or whose request does, ends all the same; one may write more than is remembered.
#[test]
fn a_write_counts_when_its_transaction_ends() {
    for (write, expected) in [
        ("UPDATE shop_category SET name = ?", 0),
        ("UPDATE shop_book SET title = ?", 1),
        ("", 0),
    ] {
        let facts = (!write.is_empty()).then(|| Facts::read(write));
        let mut it = Deployment::watched_by("cacheable_query");
        for number in 0..40 {
            it.serve(Scenario::new().run(categories(), 7, 12));
            if number % 10 == 9 {
                it.wrote(&Scenario::new().request().database, facts.as_ref());
            }
            it.wait(480);
        }
        assert_eq!(it.findings.len(), expected, "{write}");
    }
}

/// Thousands of other queries in between push it out of the bounded table: nothing is claimed, and the loss is counted.
#[test]
fn the_tables_of_monitors_are_bounded_and_count_what_they_lose() {
    let mut it = Deployment::watched_by("cacheable_query");
    for number in 0..10 {
        it.serve(Scenario::new().run(categories(), 7, 12));
        for other in 0..20 {
            let scenario = Scenario::new();
            let many = (0..250).fold(scenario, |s, n| {
                s.run(get("shop_book"), number * 9999 + other * 300 + n, 1)
            });
            it.serve(many);
        }
    }
    assert_eq!(it.findings, []);
    let (name, entries, evicted) = it.detectors.tables().next().unwrap();
    assert_eq!(name, "cacheable_query");
    assert!(entries <= 4096 && evicted > 40_000, "{entries} {evicted}");
    it.detectors.reload(&Settings::default());
    let (_, entries, after) = (it.detectors.tables())
        .find(|(name, ..)| *name == "cacheable_query")
        .unwrap();
    assert_eq!(
        (entries, after),
        (0, evicted),
        "a reload makes no counter fall"
    );
}
