//! How requests are told apart where Django gives strong, weak or no signs of them.

use crate::transcripts::language::{Step, steps};
use pgscope::profiler::{Profiler, Tap};
use pgscope::session::At;
use pgscope::stats::{Filter, Source};
use std::sync::Arc;
use std::time::Duration;

const SESSION: &str = r#"SELECT "django_session"."session_key" FROM "django_session" WHERE ("django_session"."expire_date" > '2026-01-01' AND "django_session"."session_key" = 'k') LIMIT 21 -> 1 rows"#;
const BOOKS: &str = r#"SELECT "shop_book"."id", "shop_book"."author_id" FROM "shop_book" -> 6 rows id author_id=20"#;

fn author(id: u32) -> String {
    format!(
        r#"SELECT "shop_author"."id", "shop_author"."name" FROM "shop_author" WHERE "shop_author"."id" = {id} LIMIT 21 -> 1 rows"#
    )
}

/// A database, its profiler and a clock.
struct World {
    profiler: Arc<Profiler>,
    now: At,
}

struct Client {
    tap: Tap,
    status: u8,
}

impl World {
    fn new() -> Self {
        Self {
            profiler: Arc::new(Profiler::default()),
            now: At(1_000_000),
        }
    }

    fn connect(&mut self) -> Client {
        let mut client = Client {
            tap: self.profiler.open("10.0.0.7:4711", self.now),
            status: b'I',
        };
        for line in [
            "> StartupMessage user=app database=shop",
            "< AuthenticationOk",
            "< ReadyForQuery I",
        ] {
            self.line(&mut client, line);
        }
        client
    }

    fn line(&mut self, client: &mut Client, line: &str) {
        for step in steps(line, &mut client.status) {
            match step {
                Step::Frontend(bytes) => client.tap.frontend(&bytes, self.now),
                Step::Backend(bytes) => client.tap.backend(&bytes, self.now, 0),
                Step::Pass(time) => self.now = At(self.now.0 + time.as_nanos() as u64),
                Step::Close => client.tap.close(self.now),
                Step::Explain(_) => panic!("no server is asked here"),
                Step::Open | Step::CloseAll => panic!("one client at a time: {line}"),
            }
        }
    }

    fn run(&mut self, client: &mut Client, queries: &[&str]) {
        for query in queries {
            self.line(client, &format!("query {query}"));
        }
    }

    /// Lets time pass; the connection's timer asks the tap every second, as the relay does.
    fn pass(&mut self, client: &mut Client, time: Duration) {
        let end = At(self.now.0 + time.as_nanos() as u64);
        while self.now < end {
            self.now = At(end.0.min(self.now.0 + 1_000_000_000));
            client.tap.idle(self.now);
        }
    }

    fn end(&mut self, mut client: Client) {
        self.line(&mut client, "> Terminate");
        self.line(&mut client, "close");
    }

    /// `boundary queries` of every request, oldest first.
    fn requests(&self) -> Vec<String> {
        let filter = Filter {
            limit: 10_000,
            ..Filter::default()
        };
        let mut closed = self.profiler.requests(&filter);
        closed.reverse();
        closed
            .iter()
            .map(|request| format!("{} {}", request.boundary.as_str(), request.queries))
            .collect()
    }

    /// Queries that the findings of a detector count.
    fn counted(&self, detector: &str) -> u64 {
        let all = self.profiler.findings(&Filter::default());
        let own = all.iter().filter(|entry| entry.detector == detector);
        own.map(|entry| entry.count).sum()
    }

    fn findings(&self) -> Vec<(String, u64)> {
        let found = self.profiler.findings(&Filter::default());
        found
            .iter()
            .map(|finding| (finding.detector.to_owned(), finding.requests))
            .collect()
    }
}

#[test]
fn one_connection_one_request_however_long_its_pauses_are() {
    let mut world = World::new();
    for turn in 0..5 {
        let mut client = world.connect();
        world.run(&mut client, &[&author(turn), &author(turn + 1)]);
        world.end(client);
    }
    let mut client = world.connect();
    for turn in 0..6 {
        world.run(&mut client, &[&author(turn)]);
        world.pass(&mut client, Duration::from_millis(1500));
    }
    world.end(client);
    assert_eq!(world.requests().last().unwrap(), "connection 6");
}

#[test]
fn a_command_is_one_request() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..500 {
        world.run(&mut client, &[&author(turn)]);
    }
    world.end(client);
    assert_eq!(world.requests(), ["connection 500"]);
}

#[test]
fn the_session_opens_a_request_on_a_persistent_connection() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..4 {
        world.run(&mut client, &[SESSION, &author(turn), &author(turn + 9)]);
        world.pass(&mut client, Duration::from_millis(20));
    }
    world.end(client);
    assert_eq!(
        world.requests(),
        ["anchor 3", "anchor 3", "anchor 3", "anchor 3"]
    );
}

#[test]
fn long_pauses_show_that_a_connection_serves_many_and_then_part_them() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..6 {
        world.run(&mut client, &[&author(turn), &author(turn + 9)]);
        world.pass(&mut client, Duration::from_secs(25));
    }
    world.end(client);
    // The first three could not be told apart when they ran, and nobody is accused for what they did together.
    assert_eq!(world.requests(), ["none 6", "gap 2", "gap 2", "gap 2"]);
    assert_eq!(world.findings(), []);
}

#[test]
fn atomic_requests_are_learned() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..60 {
        world.run(
            &mut client,
            &[
                "BEGIN",
                &author(turn),
                &author(turn + 1),
                &author(turn + 2),
                "COMMIT",
            ],
        );
        world.pass(&mut client, Duration::from_millis(5));
    }
    world.end(client);
    let requests = world.requests();
    assert!(requests[0].starts_with("none "), "{requests:?}");
    assert!(requests.len() > 5, "{requests:?}");
    assert!(
        requests[1..]
            .iter()
            .all(|request| request == "transaction 3"),
        "{requests:?}"
    );
    assert_eq!(world.findings(), []);
}

#[test]
fn without_any_sign_a_busy_connection_is_cut_into_minutes() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..11 {
        world.run(&mut client, &[&author(turn)]);
        world.pass(&mut client, Duration::from_millis(300));
    }
    for turn in 0..150_000 {
        world.run(&mut client, &[&author(turn)]);
    }
    world.end(client);
    let requests = world.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(
        requests.iter().all(|request| request.starts_with("none")),
        "{requests:?}"
    );
    assert_eq!(world.findings(), []);
}

#[test]
fn commands_that_ran_before_do_not_hide_that_workers_keep_their_connections() {
    let mut world = World::new();
    for _ in 0..3 {
        let mut command = world.connect();
        world.run(&mut command, &[&author(1)]);
        world.end(command);
    }
    let mut worker = world.connect();
    for (route, id) in [("books/", 1), ("authors/", 2), ("books/", 3)] {
        let query = author(id).replace(" ->", &format!(" /*route='{route}'*/ ->"));
        world.run(&mut worker, &[&query, &query]);
        world.pass(&mut worker, Duration::from_millis(50));
    }
    world.end(worker);
    assert_eq!(world.requests()[3..], ["route 2", "route 2", "route 2"]);
}

#[test]
fn a_finding_does_not_wait_for_the_next_request_and_counts_once() {
    let mut world = World::new();
    let mut client = world.connect();
    let loop_: Vec<String> = (20..26).map(author).collect();
    world.run(&mut client, &[BOOKS]);
    world.run(
        &mut client,
        &loop_.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert_eq!(world.findings(), []);
    world.pass(&mut client, Duration::from_millis(1500));
    assert_eq!(world.findings(), [("n_plus_one".to_owned(), 1)]);
    world.run(&mut client, &["SELECT 1 -> 1 rows", &author(1)]);
    assert_eq!(world.findings(), [("n_plus_one".to_owned(), 1)]);
    world.end(client);
    assert_eq!(world.requests(), ["probe 7", "probe 1"]);
}

#[test]
fn a_finding_names_the_line_that_most_of_its_queries_came_from() {
    let mut world = World::new();
    let mut client = world.connect();
    let from =
        |query: &str, line: &str| query.replace(" ->", &format!(" /*callsite='{line}'*/ ->"));
    world.run(&mut client, &[&from(BOOKS, "shop/views.py%3A40")]);
    for id in 20..26 {
        let line = if id == 20 {
            "shop/tags.py%3A7"
        } else {
            "shop/views.py%3A42"
        };
        world.run(&mut client, &[&from(&author(id), line)]);
    }
    world.end(client);
    let findings = world.profiler.findings(&Filter::default());
    assert_eq!(&*findings[0].callsite, "shop/views.py:42");
    let request = &world.profiler.requests(&Filter::default())[0];
    let lines: Vec<_> = (request.timeline.spans.iter())
        .map(|span| (&*span.callsite, span.calls))
        .collect();
    assert_eq!(
        lines,
        [
            ("shop/views.py:40", 1),
            ("shop/tags.py:7", 1),
            ("shop/views.py:42", 5)
        ]
    );
}

#[test]
fn a_finding_of_a_request_that_pauses_grows_to_its_end() {
    let mut world = World::new();
    let mut client = world.connect();
    let list = BOOKS.replace("6 rows", "12 rows");
    let authors = |range: std::ops::Range<u32>| range.map(author).collect::<Vec<_>>();
    let (before, after) = (authors(20..26), authors(26..32));
    world.run(&mut client, &[&list]);
    world.run(
        &mut client,
        &before.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    world.pass(&mut client, Duration::from_millis(1500));
    assert_eq!(world.findings(), [("n_plus_one".to_owned(), 1)]);
    assert_eq!(world.counted("n_plus_one"), 6);
    world.run(
        &mut client,
        &after.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    world.end(client);
    assert_eq!(world.counted("n_plus_one"), 12);
    let loops = world
        .findings()
        .into_iter()
        .find(|(name, _)| name == "n_plus_one");
    assert_eq!(loops, Some(("n_plus_one".to_owned(), 1)));
}

#[test]
fn two_requests_at_a_time_on_two_connections_are_two_requests() {
    let mut world = World::new();
    let mut one = world.connect();
    let mut two = world.connect();
    for turn in 0..4 {
        world.run(&mut one, &[&author(turn)]);
        world.run(&mut two, &[&author(turn)]);
    }
    world.end(one);
    world.end(two);
    assert_eq!(world.requests(), ["connection 4", "connection 4"]);
    assert_eq!(world.findings(), []);
}

#[test]
fn a_command_may_wait_between_its_rounds_and_nobody_pays_for_it() {
    let mut world = World::new();
    let mut command = world.connect();
    for turn in 0..15 {
        world.run(&mut command, &[&author(turn)]);
        world.pass(&mut command, Duration::from_millis(1100));
    }
    world.end(command);
    for turn in 0..4 {
        let mut client = world.connect();
        for id in 0..3 {
            world.run(&mut client, &[&author(turn + id)]);
            world.pass(&mut client, Duration::from_millis(600));
        }
        world.end(client);
    }
    // One request; that it was only one is not sure, since its class was new.
    let requests = world.requests();
    assert_eq!(requests[0], "none 15");
    assert_eq!(requests[1..], ["connection 3"; 4]);
}

#[test]
fn a_probe_at_the_end_or_in_a_view_does_not_hide_that_sessions_open_requests() {
    let mut world = World::new();
    let mut client = world.connect();
    for turn in 0..30 {
        world.run(&mut client, &[SESSION, &author(turn)]);
        if turn == 2 {
            world.run(
                &mut client,
                &[
                    "SELECT nothing FROM missing -> error 42P01",
                    "SELECT 1 -> 1 rows",
                ],
            );
        }
        if turn == 5 {
            world.run(&mut client, &["SELECT 1 -> 1 rows"]);
        }
        world.pass(&mut client, Duration::from_millis(20));
    }
    world.end(client);
    let requests = world.requests();
    assert_eq!(requests.len(), 30, "{requests:?}");
    assert!(
        requests
            .iter()
            .all(|request| request.ends_with(" 2") || request.ends_with(" 3")),
        "{requests:?}"
    );
    assert_eq!(world.findings(), []);
}

#[test]
fn the_session_is_loaded_and_saved_with_its_request_under_atomic_requests() {
    let mut world = World::new();
    let mut client = world.connect();
    let save = r#"UPDATE "django_session" SET "session_data" = 'x' WHERE "django_session"."session_key" = 'k' -> 1 rows"#;
    for turn in 0..120 {
        world.run(
            &mut client,
            &["BEGIN", SESSION, &author(turn), &author(turn + 1), "COMMIT"],
        );
        world.run(&mut client, &["BEGIN", save, "COMMIT"]);
        world.pass(&mut client, Duration::from_millis(5));
    }
    world.end(client);
    let requests = world.requests();
    assert_eq!(requests.len(), 120, "{:?}", &requests[..10]);
    assert!(
        requests.iter().all(|request| request.ends_with(" 4")),
        "{:?}",
        &requests[..10]
    );
}

#[test]
fn requests_of_one_route_that_run_into_each_other_accuse_nobody() {
    let mut world = World::new();
    let mut client = world.connect();
    let with_route =
        |query: &str, route: &str| query.replace(" ->", &format!(" /*route='{route}'*/ ->"));
    world.run(&mut client, &[&with_route(BOOKS, "books/")]);
    for turn in 0..16 {
        let book = format!(
            r#"SELECT "shop_book"."id", "shop_book"."author_id" FROM "shop_book" WHERE "shop_book"."id" = {turn} LIMIT 21 -> 1 rows"#
        );
        let route = "books/<int:pk>/";
        let queries = [
            with_route(&book, route),
            with_route(&author(turn + 7), route),
        ];
        world.run(&mut client, &[&queries[0], &queries[1]]);
    }
    world.end(client);
    assert_eq!(world.requests(), ["route 1", "none 32"]);
    assert_eq!(world.findings(), []);
}

#[test]
fn names_that_were_never_let_in_fill_no_table() {
    let mut world = World::new();
    for turn in 0..200 {
        let mut client = Client {
            tap: world.profiler.open("10.0.0.9:1", world.now),
            status: b'I',
        };
        world.line(
            &mut client,
            &format!("> StartupMessage user=u{turn} database=d{turn}"),
        );
        world.line(&mut client, "< ErrorResponse 28P01 FATAL");
        assert!(
            client.tap.is_terminated(),
            "the server has ended it in good order"
        );
        world.line(&mut client, "close");
    }
    let mut client = world.connect();
    world.run(&mut client, &[&author(1)]);
    world.end(client);
    let snapshot = world.profiler.snapshot();
    let names = |all: &[Arc<str>]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&snapshot.databases), ["other", "shop"]);
    assert_eq!(names(&snapshot.users), ["other", "app"]);
    assert_eq!(
        snapshot.errors.iter().map(|row| row.count).sum::<u64>(),
        200
    );
}
