//! What users change: severity, and silence by a comment.

use super::django::Session;
use super::*;
use crate::detect::{Settings, Severity, testing::*};

const CREATE: &str = r#"INSERT INTO "lib_tag" ("name") VALUES ('a') RETURNING "lib_tag"."id""#;

fn detectors(session: Session) -> Vec<&'static str> {
    let found = session.inspect(&Settings::default());
    found.iter().map(|finding| finding.cause.detector).collect()
}

fn commented(comment: &str) -> Session {
    let sql = format!("{CREATE} {comment}");
    (0..5).fold(Session::new(), |session, _| session.run(&sql, 1))
}

#[test]
fn a_comment_silences_a_detector() {
    for (comment, found) in [
        ("", 1),
        ("/* pgscope:ignore=insert_loop */", 0),
        ("/* pgscope:ignore=n_plus_one,insert_loop */", 0),
        ("/*route='a/',pgscope:ignore='insert_loop'*/", 0),
        ("/* pgscope:ignore=* */", 0),
        ("/* pgscope:ignore=n_plus_one */", 1),
        ("/* pgscope:ignore=insert */", 1),
        ("/* pgscope:ignore=no_such_detector */", 1),
    ] {
        assert_eq!(detectors(commented(comment)).len(), found, "{comment}");
    }
}

/// Another statement's comment, and the same statement in a request without the comment.
#[test]
fn a_comment_silences_its_own_statement_only() {
    let other = Session::new().run("SELECT 2 /* pgscope:ignore=insert_loop */", 1);
    let session = (0..5).fold(other, |session, _| session.run(CREATE, 1));
    assert_eq!(detectors(session), ["insert_loop"]);
}

/// What is silenced explains a number of queries all the same.
#[test]
fn silenced_queries_are_not_counted_against_the_request() {
    let sql = format!("{CREATE} /* pgscope:ignore=insert_loop */");
    let session = (0..40).fold(Session::new(), |session, _| session.run(&sql, 1));
    assert_eq!(detectors(session), [""; 0]);
}

/// A request is accused as a whole: a statement must name the detector.
#[test]
fn a_comment_silences_what_accuses_requests() {
    let page = |comment: &str| {
        (0..11).fold(Session::new(), |session, at| {
            let comment = if at == 3 { comment } else { "" };
            session.run(&format!("SELECT n FROM t{at} {comment}"), 1)
        })
    };
    assert_eq!(detectors(page("")), ["request_query_count"]);
    assert_eq!(
        detectors(page("/* pgscope:ignore=* */")),
        ["request_query_count"]
    );
    assert_eq!(
        detectors(page("/* pgscope:ignore=request_query_count */")),
        [""; 0]
    );
}

/// Two relations of one list in turn are one finding, but the one that is silenced takes the other along no more.
#[test]
fn a_silenced_loop_leaves_the_others() {
    let page = |silenced: Option<usize>| {
        let books = list("lib_book", &["id", "title", "author_id", "publisher_id"]);
        let mut request = Scenario::new()
            .run(books, 0, 6)
            .each(6, &[(get("lib_author"), 1), (get("lib_publisher"), 1)])
            .request();
        if let Some(at) = silenced {
            request.groups[at].ignore = "n_plus_one".to_owned();
        }
        let all = crate::detect::Detectors::new(&Settings::default()).inspect(&request);
        all.into_iter()
            .map(|finding| finding.relation)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let both = page(None);
    assert!(
        both.contains("author") && both.contains("publisher"),
        "{both}"
    );
    assert_eq!(page(Some(1)), "publisher");
    assert_eq!(page(Some(2)), "author");
}

#[test]
fn severity_is_a_setting_of_every_detector() {
    let loops = |settings: &str, task: bool| {
        let page = Scenario::new()
            .run(books(), 0, 8)
            .each(8, &[(get("lib_author"), 1)]);
        let page = if task { page.task() } else { page };
        let settings: Settings = toml::from_str(settings).unwrap();
        only(crate::detect::Detectors::new(&settings).inspect(&page.request())).severity
    };
    assert_eq!(loops("", false), Severity::Warning);
    for (choice, severity) in [
        ("auto", Severity::Warning),
        ("info", Severity::Info),
        ("warning", Severity::Warning),
        ("critical", Severity::Critical),
    ] {
        let settings = format!("n_plus_one = {{ severity = \"{choice}\" }}");
        assert_eq!(loops(&settings, false), severity, "{choice}");
        // Nobody waits for a task.
        assert_eq!(loops(&settings, true), Severity::Info, "{choice}");
    }
    assert_eq!(
        loops("slow_query = { severity = \"critical\" }", false),
        Severity::Warning
    );
    assert!(toml::from_str::<Settings>("n_plus_one = { severity = \"error\" }").is_err());
}
