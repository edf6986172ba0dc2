//! The values that a WHERE asks for, and which column asks for which.

use super::digest;
use crate::sql::{Facts, value};

/// `column=value` for each equality or IN list of the first statement, where `?` stands for a value that is unknown.
fn asked(sql: &str, candidates: &[&str]) -> Vec<String> {
    let digest = digest(sql.as_bytes());
    let part = digest.parts()[0];
    let facts = Facts::read(digest.text(&part));
    let known = |place: Option<u8>| {
        let hash = place.map_or(0, |place| part.keys.get(usize::from(place)));
        let found = candidates
            .iter()
            .find(|text| value::text(text.as_bytes()) == hash);
        found.map_or_else(|| "?".to_owned(), |text| (*text).to_owned())
    };
    let equalities = facts.equalities.iter().zip(&facts.equality_keys);
    let list = facts.in_column.iter().map(|column| (column, &facts.in_key));
    let pairs = equalities.chain(list);
    pairs
        .map(|(column, place)| format!("{}={}", column.name, known(*place)))
        .collect()
}

#[test]
fn each_equality_has_its_value() {
    let values = ["1", "2", "3", "4", "5", "x", "abc"];
    for (sql, expected) in [
        ("SELECT a FROM t WHERE id = 5 LIMIT 21", &["id=5"][..]),
        (
            "SELECT a FROM t WHERE (x = 1 AND y = 'abc' AND z > 3)",
            &["x=1", "y=abc"],
        ),
        (
            "SELECT 3, a FROM t JOIN u ON (u.k = 2) WHERE t.id = 4",
            &["id=4"],
        ),
        (
            "SELECT CASE WHEN a = 1 THEN 2 ELSE 3 END FROM t WHERE id = 5",
            &["id=5"],
        ),
        ("SELECT a FROM t WHERE id IN (3, 4, 5)", &["id=3"]),
        ("SELECT a FROM t WHERE (t.id) IN ((3), (4))", &["id=3"]),
        (
            "SELECT a FROM t WHERE x = 1 AND id IN (2)",
            &["x=1", "id=2"],
        ),
        (
            "SELECT a FROM t WHERE EXISTS(SELECT 1 AS a FROM u WHERE u.k = 3 LIMIT 1) AND id = 4",
            &["id=4"],
        ),
        (
            "SELECT a FROM t WHERE CASE WHEN x = 1 THEN y = 2 END AND id = 4",
            &["id=4"],
        ),
        (
            "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4)) AND id = 5",
            &["id=5"],
        ),
        ("UPDATE t SET a = 1, b = 2 WHERE id = 3", &["id=3"]),
        ("DELETE FROM t WHERE id IN (3)", &["id=3"]),
        ("SELECT a FROM t WHERE x = -5", &["x=?"]),
        ("DECLARE c CURSOR FOR SELECT a FROM t WHERE x = 2", &["x=2"]),
        ("SELECT (SELECT 1 WHERE 2 = 3) FROM t WHERE x = 4", &["x=4"]),
        ("SELECT a FROM t WHERE x = NULL AND y = 5", &["x=?", "y=5"]),
        ("SELECT a FROM t WHERE x = $1 AND y = 5", &["x=?", "y=5"]),
    ] {
        assert_eq!(asked(sql, &values), expected, "{sql}");
    }
}

#[test]
fn one_value_is_one_whichever_way_it_is_written() {
    let uuid = "0bb4b1ad-a4ee-4ba9-9d0c-5a0f4d7c2d3b";
    for sql in [
        "SELECT a FROM t WHERE id = '0bb4b1ad-a4ee-4ba9-9d0c-5a0f4d7c2d3b'::uuid",
        "SELECT a FROM t WHERE id = '0bb4b1ada4ee4ba99d0c5a0f4d7c2d3b'::uuid",
        "SELECT a FROM t WHERE id = E'0bb4b1ada4ee4ba99d0c5a0f4d7c2d3b'",
    ] {
        assert_eq!(asked(sql, &[uuid]), [format!("id={uuid}")], "{sql}");
    }
    assert_eq!(asked("SELECT a FROM t WHERE id =  -5", &["-5"]), ["id=-5"]);
}

#[test]
fn a_bound_value_takes_the_place_of_its_parameter() {
    let digest = digest(b"SELECT a FROM t WHERE x = $2 AND y = 5 AND z = $1");
    let mut keys = digest.parts()[0].keys;
    assert_eq!(
        (keys.param(0), keys.param(1), keys.param(2)),
        (Some(2), None, Some(1))
    );
    keys.bind(0, 77);
    keys.bind(2, 88);
    assert!(!keys.has_params());
    assert_eq!(
        [keys.get(0), keys.get(1), keys.get(2)],
        [77, value::of_integer(5), 88]
    );
}

#[test]
fn what_an_update_sets_is_told_from_what_it_asks_for() {
    let set = |sql: &str| digest(sql.as_bytes()).parts()[0].set_literals;
    let same = set("UPDATE t SET a = 1, b = 'x' WHERE id = 3");
    assert_eq!(same, set("UPDATE t SET a = 1, b = 'x' WHERE id = 4"));
    assert_ne!(same, set("UPDATE t SET a = 2, b = 'x' WHERE id = 3"));
    assert_eq!(set("SELECT a FROM t WHERE id = 3"), 0);
}
