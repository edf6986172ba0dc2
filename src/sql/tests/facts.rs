//! Facts of Django's statements, read through the normaliser.

use super::text;
use crate::sql::{Class, Column, Facts, Join, Limit, Projection, Verb};

fn facts(sql: &str) -> Facts {
    Facts::read(&text(sql))
}

fn column(text: &str) -> Column {
    let (table, name) = text.split_once('.').unwrap_or(("", text));
    Column {
        table: table.into(),
        name: name.into(),
    }
}

fn columns(texts: &[&str]) -> Vec<Column> {
    texts.iter().map(|text| column(text)).collect()
}

#[test]
fn get() {
    let expected = Facts {
        verb: Verb::Select,
        table: "lib_author".into(),
        tables: vec!["lib_author".into()],
        columns: columns(&["lib_author.id", "lib_author.name", "lib_author.bio"]),
        projection: Projection::Columns,
        equalities: columns(&["lib_author.id"]),
        equality_keys: vec![Some(0)],
        limit: Limit::TwentyOne,
        ..Facts::default()
    };
    let sql = r#"SELECT "lib_author"."id", "lib_author"."name", "lib_author"."bio" FROM "lib_author" WHERE "lib_author"."id" = 1 LIMIT 21"#;
    assert_eq!(facts(sql), expected);
    assert!(expected.is_read() && !expected.is_write());
}

#[test]
fn many_to_many_and_its_prefetch() {
    let all = facts(
        r#"SELECT "lib_tag"."id", "lib_tag"."name" FROM "lib_tag" INNER JOIN "lib_book_tags" ON ("lib_tag"."id" = "lib_book_tags"."tag_id") WHERE "lib_book_tags"."book_id" = 1"#,
    );
    let join = Join {
        table: "lib_book_tags".into(),
        left: column("lib_tag.id"),
        right: column("lib_book_tags.tag_id"),
    };
    assert_eq!(all.joins, [join]);
    assert_eq!(all.tables, ["lib_tag", "lib_book_tags"]);
    assert_eq!(all.equalities, columns(&["lib_book_tags.book_id"]));
    assert!(!all.prefetch && !all.other_predicates);
    let prefetch = facts(
        r#"SELECT ("lib_book_tags"."book_id") AS "_prefetch_related_val_book_id", "lib_tag"."id", "lib_tag"."name" FROM "lib_tag" INNER JOIN "lib_book_tags" ON ("lib_tag"."id" = "lib_book_tags"."tag_id") WHERE "lib_book_tags"."book_id" IN (1, 2, 3)"#,
    );
    assert!(prefetch.prefetch);
    assert_eq!(prefetch.projection, Projection::Columns);
    assert_eq!(prefetch.in_column, Some(column("lib_book_tags.book_id")));
    assert!(prefetch.equalities.is_empty() && !prefetch.other_predicates);
}

#[test]
fn joins_in_order_with_outer_ones() {
    let facts = facts(
        r#"SELECT "b"."id", T4."n" AS "x" FROM "b" LEFT OUTER JOIN "a" ON ("b"."a_id" = "a"."id") INNER JOIN "c" T4 ON ("a"."c_id" = T4."id" AND (T4."k" = 5)) WHERE T4."n" = 'x'"#,
    );
    assert_eq!(facts.tables, ["b", "a", "c"]);
    let ends: Vec<_> = facts
        .joins
        .iter()
        .map(|join| (&join.left, &join.right))
        .collect();
    assert_eq!(
        ends,
        [
            (&column("b.a_id"), &column("a.id")),
            (&column("a.c_id"), &column("T4.id"))
        ]
    );
    assert_eq!(facts.columns, columns(&["b.id", "T4.n"]));
    assert_eq!(facts.equalities, columns(&["T4.n"]));
}

#[test]
fn projections() {
    for (list, expected) in [
        (r#""b"."id", "b"."t" AS "t""#, Projection::Columns),
        ("*", Projection::Columns),
        (r#""b".*"#, Projection::Columns),
        (r#"COUNT(*) AS "__count""#, Projection::Count),
        ("count(*)", Projection::Count),
        (r#"COUNT("b"."id") AS "n""#, Projection::Aggregate),
        (
            r#"SUM("b"."p") AS "s", COUNT(*) AS "n""#,
            Projection::Aggregate,
        ),
        (r#"COALESCE(SUM("b"."p"), 0) AS "s""#, Projection::Aggregate),
        (r#"1 AS "a""#, Projection::Exists),
        (r#"$1 AS "a""#, Projection::Exists),
        (r#"(1) AS "a""#, Projection::Exists),
        ("1", Projection::Other),
        (r#""b"."id", COUNT(*) AS "n""#, Projection::Other),
        (
            r#"ROW_NUMBER() OVER (ORDER BY "b"."id")"#,
            Projection::Other,
        ),
        (
            r#"SUM("b"."p") OVER (ORDER BY "b"."id")"#,
            Projection::Other,
        ),
    ] {
        let facts = facts(&format!(r#"SELECT {list} FROM "b" WHERE "b"."a" = 1"#));
        assert_eq!(facts.projection, expected, "{list}");
        assert_eq!(facts.table, "b");
    }
    let grouped = facts(r#"SELECT COUNT(*) FROM "b" GROUP BY "b"."a""#);
    assert_eq!(
        (grouped.projection, grouped.group_by),
        (Projection::Other, true)
    );
}

#[test]
fn predicates() {
    for (condition, equalities, list, other) in [
        (r#""b"."a" = 1"#, vec!["b.a"], None, false),
        (
            r#"("b"."a" = 1 AND "b"."c" = 'x')"#,
            vec!["b.a", "b.c"],
            None,
            false,
        ),
        (
            r#"("b"."a" = 1 AND ("b"."c" = 2 AND "b"."d" = 3))"#,
            vec!["b.a", "b.c", "b.d"],
            None,
            false,
        ),
        (r#"("b"."a" = 1 AND "b"."p" > 1)"#, vec!["b.a"], None, true),
        (r#"("b"."a" = 1 OR "b"."c" = 2)"#, vec![], None, true),
        (
            r#"("b"."a" IN (1, 2) AND "b"."c" = 2)"#,
            vec!["b.c"],
            Some("b.a"),
            false,
        ),
        (r#"("b"."a") IN ((1), (2))"#, vec![], Some("b.a"), false),
        (
            r#""b"."a" IN (SELECT U0."id" FROM "u" U0)"#,
            vec![],
            None,
            true,
        ),
        (r#"NOT ("b"."a" = 1)"#, vec![], None, true),
        (r#""b"."a" IS NULL"#, vec![], None, true),
        (
            r#""b"."a" BETWEEN 1 AND 2 AND "b"."c" = 3"#,
            vec!["b.c"],
            None,
            true,
        ),
        (r#"UPPER("b"."t"::text) = UPPER('x')"#, vec![], None, true),
        (r#""b"."t"::text LIKE 'x%'"#, vec![], None, true),
        (r#""b"."a" = ("b"."c")"#, vec![], None, true),
        (r#""b"."live""#, vec![], None, true),
        ("a = 1 and c = 2", vec!["a", "c"], None, false),
    ] {
        let facts = facts(&format!(
            r#"SELECT "b"."id" FROM "b" WHERE {condition} ORDER BY 1"#
        ));
        assert_eq!(facts.equalities, columns(&equalities), "{condition}");
        assert_eq!(facts.in_column, list.map(column), "{condition}");
        assert_eq!(facts.other_predicates, other, "{condition}");
    }
}

#[test]
fn clauses_behind_where() {
    let first = facts(r#"SELECT "b"."id" FROM "b" ORDER BY "b"."id" ASC LIMIT 1"#);
    assert_eq!(
        (first.order_by, first.limit, first.offset),
        (true, Limit::One, false)
    );
    let page = facts(r#"SELECT "b"."id" FROM "b" ORDER BY "b"."id" LIMIT 20 OFFSET 40"#);
    assert_eq!((page.limit, page.offset), (Limit::Other, true));
    let random = facts(r#"SELECT "b"."id" FROM "b" ORDER BY RANDOM() ASC LIMIT 2"#);
    assert!(random.random_order);
    let locked = facts(r#"SELECT "b"."id" FROM "b" WHERE "b"."id" = 1 LIMIT 21 FOR UPDATE"#);
    assert_eq!(
        (locked.for_update, locked.skip_locked, locked.limit),
        (true, false, Limit::TwentyOne)
    );
    let skip = facts(r#"SELECT "b"."id" FROM "b" LIMIT 1 FOR NO KEY UPDATE OF "b" SKIP LOCKED"#);
    assert!(skip.for_update && skip.skip_locked);
    let distinct =
        facts(r#"SELECT DISTINCT ON ("b"."a") "b"."id", "b"."t" FROM "b" ORDER BY "b"."a" ASC"#);
    assert!(distinct.distinct && distinct.order_by && !distinct.random_order);
    assert_eq!(distinct.columns, columns(&["b.id", "b.t"]));
    assert_eq!(first.limit, facts(r#"SELECT a FROM b LIMIT 1"#).limit);
}

#[test]
fn queries_inside_queries() {
    let count = facts(
        r#"SELECT COUNT(*) FROM (SELECT "b"."id" AS "col1" FROM "b" WHERE "b"."a" = 1 LIMIT 5) subquery"#,
    );
    assert_eq!(
        (count.projection, count.table.as_str()),
        (Projection::Count, "b")
    );
    assert_eq!((count.limit, count.other_predicates), (Limit::None, true));
    assert!(count.equalities.is_empty());
    let union = facts(
        r#"(SELECT "b"."id" AS "col1" FROM "b" WHERE "b"."id" = 1) UNION (SELECT "c"."id" AS "col1" FROM "c" WHERE "c"."id" = 2) ORDER BY (1) ASC LIMIT 21"#,
    );
    assert_eq!((union.verb, union.class), (Verb::Select, Class::Data));
    assert_eq!(union.tables, ["b", "c"]);
    assert_eq!((union.order_by, union.limit), (true, Limit::TwentyOne));
    assert!(union.equalities.is_empty() && union.other_predicates);
    let with = facts(
        r#"WITH RECURSIVE "t" AS (SELECT "id" FROM "n" WHERE "id" = 1 UNION ALL SELECT "n"."id" FROM "n" INNER JOIN "t" ON ("n"."p" = "t"."id")) SELECT "t"."id" FROM "t" WHERE "t"."x" = 5"#,
    );
    assert_eq!((with.verb, with.table.as_str()), (Verb::Select, "n"));
    assert_eq!(with.equalities, columns(&["t.x"]));
    let write = facts(
        r#"WITH d AS (DELETE FROM a WHERE id = 1 RETURNING *) INSERT INTO b SELECT * FROM d"#,
    );
    assert_eq!(
        (write.verb, write.tables),
        (Verb::Insert, vec!["b".into(), "a".into()])
    );
    let exists = facts(
        r#"SELECT "a"."id" FROM "a" WHERE EXISTS(SELECT 1 AS "a" FROM "b" U0 WHERE U0."a_id" = ("a"."id") LIMIT 1)"#,
    );
    assert_eq!(
        (exists.tables, exists.limit),
        (vec!["a".into()], Limit::None)
    );
}

#[test]
fn cursors_and_explain_show_their_query() {
    let declare = facts(
        r#"DECLARE "_django_curs_140_sync_1" NO SCROLL CURSOR WITH HOLD FOR SELECT "b"."id" FROM "b" WHERE "b"."a" = 1 FOR UPDATE"#,
    );
    assert_eq!((declare.verb, declare.class), (Verb::Declare, Class::Data));
    assert_eq!(
        (declare.table.as_str(), declare.projection),
        ("b", Projection::Columns)
    );
    assert_eq!(declare.equalities, columns(&["b.a"]));
    assert!(declare.for_update && declare.is_read());
    let explain =
        facts(r#"EXPLAIN (ANALYZE, FORMAT JSON) SELECT "b"."id" FROM "b" WHERE "b"."id" = 1"#);
    assert_eq!((explain.verb, explain.table.as_str()), (Verb::Explain, "b"));
    assert!(!explain.is_read());
}

#[test]
fn writes() {
    let insert = facts(r#"INSERT INTO "lib_tag" ("name") VALUES ('z') RETURNING "lib_tag"."id""#);
    assert_eq!(
        (insert.verb, insert.table.as_str()),
        (Verb::Insert, "lib_tag")
    );
    let unnest = facts(
        r#"INSERT INTO "lib_tag" ("name") SELECT * FROM UNNEST((ARRAY['u1','u2'])::varchar[]) RETURNING "lib_tag"."id""#,
    );
    assert_eq!(unnest.tables, ["lib_tag"]);
    let update = facts(
        r#"UPDATE "lib_author" SET "name" = 'z', "bio" = NULL, "n" = ("lib_author"."n" + 1) WHERE "lib_author"."id" = 1"#,
    );
    assert_eq!(
        (update.verb, update.table.as_str()),
        (Verb::Update, "lib_author")
    );
    assert_eq!(update.columns, columns(&["name", "bio", "n"]));
    assert_eq!(update.equalities, columns(&["lib_author.id"]));
    let bulk = facts(
        r#"UPDATE "t" SET "n" = (CASE WHEN ("t"."id" = 7) THEN 'a' WHEN ("t"."id" = 8) THEN 'b' ELSE NULL END)::varchar(50) WHERE "t"."id" IN (7, 8)"#,
    );
    assert_eq!(
        (bulk.columns, bulk.in_column),
        (columns(&["n"]), Some(column("t.id")))
    );
    let delete = facts(r#"DELETE FROM "m" WHERE ("m"."book_id" = 1 AND "m"."tag_id" IN (77777))"#);
    assert_eq!((delete.verb, delete.table.as_str()), (Verb::Delete, "m"));
    assert_eq!(delete.equalities, columns(&["m.book_id"]));
    assert_eq!(delete.in_column, Some(column("m.tag_id")));
    for (sql, table) in [
        (
            "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
            "a",
        ),
        ("TRUNCATE TABLE ONLY s.a, b", "a"),
        (r#"COPY "a" ("x", "y") FROM STDIN"#, "a"),
    ] {
        let facts = facts(sql);
        assert!(facts.is_write() && !facts.is_read(), "{sql}");
        assert_eq!(facts.table, table, "{sql}");
    }
    for sql in [
        "COPY a TO STDOUT",
        "COPY (SELECT x FROM a) TO STDOUT",
        "LOCK TABLE a IN SHARE MODE",
        "CREATE TABLE IF NOT EXISTS a (x int)",
        "ALTER TABLE a ADD y int",
        "ANALYZE a",
    ] {
        let facts = facts(sql);
        assert!(!facts.is_write(), "{sql}");
        assert_eq!(facts.table, "a", "{sql}");
    }
}

/// A data-modifying WITH query, as the PostgreSQL manual calls it, writes though its statement is a SELECT.
#[test]
fn a_with_query_may_write() {
    for (sql, tables) in [
        (
            r#"WITH x AS (UPDATE "lib_author" SET "name" = 'a' WHERE "id" = 1 RETURNING "id") SELECT * FROM x"#,
            &["lib_author"][..],
        ),
        (
            "WITH a AS (SELECT id FROM c), b AS (DELETE FROM d USING a RETURNING *) SELECT * FROM e",
            &["e", "d", "c"],
        ),
        (
            "WITH d AS (DELETE FROM d RETURNING *) SELECT count(*) FROM d",
            &["d"],
        ),
        (
            "WITH a AS (WITH b AS (INSERT INTO c VALUES (1) RETURNING *) SELECT * FROM b) SELECT * FROM a",
            &["c"],
        ),
    ] {
        let facts = facts(sql);
        assert!(facts.is_write() && !facts.is_read(), "{sql}");
        assert_eq!(
            (facts.verb, &*facts.tables),
            (
                Verb::Select,
                &tables.iter().map(|t| (*t).into()).collect::<Vec<_>>()[..]
            ),
            "{sql}"
        );
    }
    let explain = facts("EXPLAIN WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x");
    assert!(!explain.is_write() && !explain.is_read());
    let read = facts("WITH x AS (SELECT a FROM b) SELECT * FROM x");
    assert!(read.is_read() && !read.is_write());
}

#[test]
fn names_are_unquoted() {
    let facts =
        facts(r#"SELECT "we""ird"."col umn" FROM public."we""ird" WHERE "we""ird"."Ä" = 1"#);
    assert_eq!(facts.table, r#"we"ird"#);
    assert_eq!(facts.columns, columns(&[r#"we"ird.col umn"#]));
    assert_eq!(facts.equalities, columns(&[r#"we"ird.Ä"#]));
}
