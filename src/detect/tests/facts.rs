//! The builders of the scenarios.

use super::super::testing::*;
use crate::sql::{Facts, Limit};

/// The scenarios are worth what their facts are worth: these must be what is read from such SQL.
#[test]
fn facts_are_those_of_the_text() {
    let joined = list("lib_review", &["id", "book_id"])
        .reads("lib_book", "id")
        .join(("lib_review", "book_id"), ("lib_book", "id"));
    for sql in [
        list("lib_book", &["id", "title", "author_id"]),
        list("lib_book", &["id"]).ordered("id").offset(),
        get("lib_author"),
        get_by("lib_profile", "author_id"),
        get("lib_author").only(&["id", "bio"]),
        get("lib_author").for_update(),
        filter("lib_book", "author_id"),
        filter("lib_book", "author_id").and("title").narrowed(),
        filter("lib_book", "author_id")
            .ordered("title")
            .limit(Limit::One),
        filter_in("lib_book", "author_id", 3),
        count("lib_book", "author_id"),
        count_all("lib_book"),
        sum("lib_book", "price", "author_id"),
        exists("lib_book", "author_id"),
        list("lib_book", &["id", "title"])
            .random()
            .limit(Limit::One),
        list("lib_book", &["id", "title"]).cursor(),
        related("lib_tag", "lib_book_tags", "tag_id", "book_id"),
        joined,
    ] {
        let text = sql.text();
        assert_eq!(Facts::read(&text), sql.facts, "{text}");
    }
    for sql in [insert("lib_book"), update("lib_book"), delete("lib_book")] {
        let facts = Facts::read(&sql.text());
        assert_eq!((facts.is_write(), facts.table), (true, sql.facts.table));
    }
}
