//! PostgreSQL's lexical edges.

use super::{text, texts};
use crate::sql::{Dialect, Digest};

#[test]
fn literals_of_every_form_become_a_question_mark() {
    for literal in [
        "'it''s /* no */ -- no'",
        "''",
        "E'\\''",
        "e'a\\\\'",
        "E'O''Re\\\\il'",
        "N'x'",
        "B'101'",
        "X'1FF'",
        "U&'\\0061'",
        "U&'!0061' UESCAPE '!'",
        "U&'d''!0061'\n uescape\t'!'",
        "$$it's$$",
        "$a$ ' /* $b$ $a$",
        "'a'\n  'b'",
        "'a' -- no\n",
        "'a'\n-- it's\n'b'",
        "E'a'\n'\\''",
        "1",
        ".5",
        "5.",
        "1.5e-3",
        "1E+9",
        "0xFF",
        "0o17",
        "0b11",
        "1_000",
        "$1",
        "NULL",
        "true",
        "FALSE",
        "-5",
        " -5",
        "+.5",
        "'2024-01-01'::date",
        "'1'::numeric(10, 2)",
        "'{1,2}'::int2[]",
        "'{{1},{2}}'::int[][3]",
        "'x' :: text",
        "'x'::character varying(5)",
        "'x'::double precision",
        "'x'::timestamp(3) with time zone",
        "'x'::time without time zone",
        "'x'::pg_catalog.\"Mood\"",
        "'NaN'::float8::float",
        "'0101'::geometry(Point,4326)",
        "ARRAY[1,2]",
        "ARRAY['u1', 'u2']::varchar[]",
        "ARRAY[[1, -2], [3, 4]]",
        "ARRAY[]::int[]",
    ] {
        let sql = format!("SELECT \"a\" WHERE \"b\" = {literal} AND c");
        let expected = "SELECT \"a\" WHERE \"b\" = ? AND c";
        assert_eq!(text(&sql), expected, "{literal}");
    }
}

#[test]
fn texts_that_only_look_like_literals_stay() {
    for (sql, expected) in [
        (r#"SELECT "we""ird ? 'x'""#, r#"SELECT "we""ird ? 'x'""#),
        (
            r#"SELECT U&"d!0061" UESCAPE '!'"#,
            r#"SELECT U&"d!0061" UESCAPE ?"#,
        ),
        ("SELECT a$1$b, c$d$", "SELECT a$1$b, c$d$"),
        ("SELECT $1$", "SELECT ? $"),
        ("SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1"),
        (
            "SELECT \"t\".*, COUNT(*) FROM t",
            "SELECT \"t\".*, COUNT(*) FROM t",
        ),
        ("SELECT t.true, t.null", "SELECT t.true, t.null"),
        ("SELECT é FROM naïve", "SELECT é FROM naïve"),
        ("SELECT a[1:2], b[3]", "SELECT a[? : ?], b[?]"),
        (
            "SELECT (CASE x END)::varchar(50)",
            "SELECT (CASE x END)::varchar(50)",
        ),
        (
            "SELECT \"a\"::numeric(10, 2)",
            "SELECT \"a\"::numeric(10, 2)",
        ),
        (
            "SELECT \"a\"::geometry(Point, 4326)",
            "SELECT \"a\"::geometry(Point, 4326)",
        ),
        // What is no modifier of a type is data.
        ("SELECT a::card(4111111111111111)", "SELECT a::card(?)"),
        ("SELECT a::x(1.5, b 7)", "SELECT a::x(?, b ?)"),
        ("SELECT ($1)::varchar[]", "SELECT (?)::varchar[]"),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn a_sign_is_part_of_a_number_only_where_an_operand_is_due() {
    for (sql, expected) in [
        ("SELECT 1-1", "SELECT ? - ?"),
        ("SELECT 1 -1", "SELECT ? - ?"),
        ("SELECT (-1)", "SELECT (?)"),
        ("SELECT a-1", "SELECT a - ?"),
        ("SELECT \"a\" -1", "SELECT \"a\" - ?"),
        ("SELECT (a) -1", "SELECT (a) - ?"),
        ("SELECT -1", "SELECT ?"),
        ("SELECT - 1", "SELECT - ?"),
        ("SELECT a=-1", "SELECT a = ?"),
        ("SELECT a- -1", "SELECT a - ?"),
        ("SELECT a, -1, +2.5", "SELECT a, ?, ?"),
        (
            "SELECT CASE WHEN a THEN -1 END - 1",
            "SELECT CASE WHEN a THEN ? END - ?",
        ),
        ("SELECT a BETWEEN -1 AND -2", "SELECT a BETWEEN ? AND ?"),
        ("FETCH FORWARD -1 FROM c", "FETCH FORWARD ? FROM c"),
        ("SELECT a || -1", "SELECT a || ?"),
        ("SELECT a @-1", "SELECT a @- ?"),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn operators_with_a_question_mark_are_no_literals() {
    for (sql, expected) in [
        (r#"SELECT "d" ? 'k'"#, r#"SELECT "d" ? ?"#),
        (r#"SELECT "d"?'k'"#, r#"SELECT "d" ? ?"#),
        (
            r#"SELECT "t"."d" ?| ARRAY['a', 'b']"#,
            r#"SELECT "t"."d" ?| ?"#,
        ),
        (r#"SELECT "t"."d" ?& ARRAY['a']"#, r#"SELECT "t"."d" ?& ?"#),
        (r#"SELECT d @? '$.a'"#, r#"SELECT d @? ?"#),
        (r#"SELECT (d -> 'a') ? 'b'"#, r#"SELECT (d -> ?) ? ?"#),
        (r#"SELECT d #>> '{a,b}'"#, r#"SELECT d #>> ?"#),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn null_stays_where_it_is_no_value() {
    for (sql, expected) in [
        (
            "SELECT a IS NULL, b IS NOT NULL",
            "SELECT a IS NULL, b IS NOT NULL",
        ),
        (
            "SELECT a IS NOT TRUE AND b IS false",
            "SELECT a IS NOT TRUE AND b IS false",
        ),
        (
            "CREATE TABLE t (a int NOT NULL DEFAULT NULL)",
            "CREATE TABLE t (a int NOT NULL DEFAULT NULL)",
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b ON DELETE SET NULL",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b ON DELETE SET NULL",
        ),
        (
            "UPDATE t SET a = NULL, b = null::int",
            "UPDATE t SET a = ?, b = ?",
        ),
        (
            "SELECT a IS DISTINCT FROM NULL",
            "SELECT a IS DISTINCT FROM ?",
        ),
        (
            "INSERT INTO t VALUES (NULL, DEFAULT)",
            "INSERT INTO t VALUES (?, DEFAULT)",
        ),
        (
            "SELECT CASE WHEN a THEN NULL ELSE NULL END",
            "SELECT CASE WHEN a THEN ? ELSE ? END",
        ),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn blanks_and_comments_leave_one_blank() {
    for (sql, expected) in [
        ("  SELECT\n\t1\r\n ;  ", "SELECT ?"),
        ("SELECT/**/a--c\nFROM/* /* ' */ \" */t", "SELECT a FROM t"),
        ("SELECT a -- c", "SELECT a"),
        ("SELECT ( a ,b )", "SELECT (a, b)"),
        (
            "select id from t where id=3",
            "select id from t where id = ?",
        ),
        (
            "update lib_author set name=name where id=1",
            "update lib_author set name = name where id = ?",
        ),
        ("SELECT a*b/c%d", "SELECT a * b / c % d"),
        ("SELECT INTERVAL '1 day'*2", "SELECT INTERVAL ? * ?"),
        ("SELECT a AT TIME ZONE 'UTC'", "SELECT a AT TIME ZONE ?"),
        ("SELECT 1 LIKE '%x\\%%'", "SELECT ? LIKE ?"),
        ("SELECT 'a'AS x", "SELECT ? AS x"),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn what_has_no_end_runs_to_the_end() {
    for (sql, expected) in [
        ("SELECT 'secret, b", "SELECT ..."),
        // Read once more, it is what it was.
        ("SELECT ...", "SELECT ..."),
        ("SELECT E'secret\\'", "SELECT ..."),
        ("SELECT E'secret\\", "SELECT ..."),
        ("SELECT $x$secret$y$", "SELECT ..."),
        ("SELECT \"open, b ; c", "SELECT ..."),
        ("SELECT a /* open ; b", "SELECT a"),
        ("SELECT (((1", "SELECT (((?"),
        ("SELECT a)))", "SELECT a)))"),
    ] {
        assert_eq!(text(sql), expected, "{sql}");
    }
}

#[test]
fn a_backslash_escapes_in_plain_strings_only_where_the_server_says_so() {
    let sql = br"SELECT 'a\', b, 'c'";
    assert_eq!(texts(sql), ["SELECT ?, b, ?"]);
    let mut digest = Digest::new();
    let off = Dialect {
        standard_conforming_strings: false,
    };
    digest.read(sql, sql.len(), off);
    // Read so, its last quote has no end, and `c` may be a name or part of a literal.
    assert_eq!(digest.text(&digest.parts()[0]), "SELECT ...");
}

#[test]
fn statements_part_at_top_level_semicolons() {
    let sql = b"select 1; select ';'; update lib_author set name=name where id=1";
    let expected = [
        "select ?",
        "select ?",
        "update lib_author set name = name where id = ?",
    ];
    assert_eq!(texts(sql), expected);
    assert_eq!(texts(b"SET a='b';SET c='d';").len(), 2);
    assert_eq!(
        texts(b"CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)").len(),
        1
    );
    for empty in ["", " ", ";", " ; ;", "-- c", "/* c */", "/* c */;/* d"] {
        assert!(texts(empty.as_bytes()).is_empty(), "{empty:?}");
    }
}

#[test]
fn bytes_that_are_no_utf8_keep_their_own_fingerprint() {
    let digests = [b"SELECT \"\xff\"", b"SELECT \"\xfe\""].map(|sql| super::digest(sql));
    let [one, other] = digests;
    assert_eq!(one.text(&one.parts()[0]), "SELECT \"\u{fffd}\"");
    assert_ne!(one.parts()[0].fingerprint, other.parts()[0].fingerprint);
    assert_eq!(
        texts(b"SELECT \xe9\xff, '\xff'"),
        ["SELECT \u{fffd}\u{fffd}, ?"]
    );
}
