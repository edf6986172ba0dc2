//! What holds for any text.

use super::digest;
use crate::sql::{Dialect, Digest, Facts, Tags};
use proptest::prelude::*;

/// No literal may leave a trace of this.
const SECRET: &str = "hunter2";

/// A literal with the secret in it, in every form that PostgreSQL knows; numbers have another.
fn secret() -> impl Strategy<Value = String> + Clone {
    prop::sample::select(vec![
        "'hunter2'",
        "''' hunter2'",
        "'a''hunter2'",
        "'/*' 'hunter2 --'",
        "'a'\n'hunter2'",
        "'a'\n--'\n'hunter2'",
        "E'\\'hunter2'",
        "e'\\\\' 'hunter2'",
        "E'a'\n'\\'hunter2'",
        "N'hunter2'",
        "U&'hunter2'",
        "U&'hunter2' UESCAPE '!'",
        "B'hunter2'",
        "x'hunter2'",
        "$$hunter2$$",
        "$a$'hunter2$$$a$",
        "$_1$\"hunter2\"$_1$",
        "'hunter2'::text",
        "'hunter2'::varchar(5)[]",
        "'\"hunter2\"'::\"char\"",
        "ARRAY['hunter2', 'hunter2b']",
        "987654321",
        "-987654321",
        "0.987654321",
        "1e987654321",
        "0x987654321",
        "987_654_321",
    ])
    .prop_map(str::to_owned)
}

/// What may stand in a list: mostly what is read in runs, and what only looks like it.
fn member() -> impl Strategy<Value = String> + Clone {
    let plain = prop::sample::select(vec![
        "1",
        "20",
        "1234567",
        "12345678",
        "123456789",
        "3.5",
        "NULL",
        "true",
        "false",
        "'a'",
        "''",
        "'b'::text",
        "4::int",
        "'0bb4b1ad-a4ee-4ba9-9d0c-5a0f4d7c2d3b'::uuid",
        "\"t\".\"a\"",
        "\"b\"",
    ]);
    let other = prop::sample::select(vec![
        "1e5",
        "1_000",
        "0x1f",
        "5..6",
        "-7",
        "NULLIF",
        "true_",
        "'a''b'",
        "'a'\n'b'",
        "'c'::numeric(10, 2)",
        "'d'::text[]",
        "'e'::double precision",
        "'f'::",
        "E'\\''",
        "$1",
        "(1)",
        "(1, 2)",
        "a",
        "\"s12_x3\"",
        "\"c\"\"d\"",
        "\"_django_curs_1_sync_2\"",
        "CASE WHEN a THEN 1 END",
        "now()",
    ]);
    prop_oneof![3 => plain, 1 => other].prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> + Clone {
    let other = prop::sample::select(vec![
        "1",
        "NULL",
        "$1",
        "true",
        " -5",
        "'x'::uuid",
        "$2::int",
    ]);
    prop_oneof![secret(), other.prop_map(str::to_owned)]
}

fn expression() -> impl Strategy<Value = String> + Clone {
    let leaf = prop_oneof![
        value(),
        prop::sample::select(vec![
            "\"t\".\"a\"",
            "a",
            "U0.\"b\"",
            "now()",
            "DEFAULT",
            "t.*"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+",
            "-",
            "=",
            " - ",
            " AND ",
            " OR ",
            "||",
            " ->> ",
            " LIKE ",
            " ? ",
            "?|",
            " IS DISTINCT FROM ",
        ]);
        let list = prop::collection::vec(inner.clone(), 1..5);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a}{o}{b})")),
            inner.clone().prop_map(|a| format!("({a})::varchar(50)")),
            inner.clone().prop_map(|a| format!("{a} IS NOT NULL")),
            list.clone()
                .prop_map(|list| format!("a IN ({})", list.join(", "))),
            list.clone()
                .prop_map(|list| format!("(a) IN (({}))", list.join("),("))),
            list.clone()
                .prop_map(|list| format!("ARRAY[{}]", list.join(","))),
            list.clone()
                .prop_map(|list| format!("f({})", list.join(" , "))),
            list.clone().prop_map(|list| {
                let arms: Vec<_> = list
                    .iter()
                    .map(|a| format!("WHEN (a = {a}) THEN {a}"))
                    .collect();
                format!("CASE {} ELSE NULL END", arms.join(" "))
            }),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(expression(), 1..4);
    prop_oneof![
        (expression(), expression(), 0..30u32).prop_map(|(a, b, n)| format!(
            "SELECT {a} AS \"x\" FROM \"t\" WHERE {b} ORDER BY 1 LIMIT {n} OFFSET {n}"
        )),
        list.clone().prop_map(|list| format!(
            "INSERT INTO \"t\" (\"a\") VALUES ({}) RETURNING \"t\".\"id\"",
            list.join("), (")
        )),
        list.prop_map(|list| format!("UPDATE t SET a = {} WHERE b", list.join(", b = "))),
        expression().prop_map(|a| format!("/*c='d'*/ select 1; DELETE FROM t WHERE {a} -- e")),
    ]
}

fn joined(digest: &Digest) -> String {
    let texts: Vec<_> = digest
        .parts()
        .iter()
        .map(|part| digest.text(part))
        .collect();
    texts.join(";")
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(
        sql in prop::collection::vec(any::<u8>(), 0..400),
        standard_conforming_strings: bool,
        more in 0..100_000usize,
    ) {
        let mut digest = Digest::new();
        digest.read(&sql, sql.len() + more, Dialect { standard_conforming_strings });
        let mut tags = Tags::default();
        tags.read(digest.comment());
        tags.read(&sql);
        for part in digest.parts() {
            Facts::read(digest.text(part));
        }
        Facts::read(&String::from_utf8_lossy(&sql));
    }

    /// Bytes that matter to the lexer, in no order.
    #[test]
    fn any_tokens_can_be_read(tokens in prop::collection::vec(prop::sample::select(vec![
        "'", "\"", "E'", "$a$", "$", "$1", "/*", "*/", "--", "\n", "\\", "(", ")", "[", "]", ",", ";", ".", "::", ":",
        "-", "+", "?", "@?", "1", "a", " ", "IN", "VALUES", "CASE", "WHEN", "END", "ARRAY", "NULL", "SELECT", "FROM",
        "WHERE", "WITH", "AS", "LIMIT", "UNION", "JOIN", "ON", "INSERT", "U&'", "UESCAPE", "é", "_pg3_#", "BETWEEN",
        "AND", "OR", "int",
    ]), 0..60), spaced: bool) {
        let sql = tokens.join(if spaced { " " } else { "" });
        let digest = digest(sql.as_bytes());
        let written = joined(&digest);
        prop_assert!(written.len() <= 2 * sql.len() + 16, "{:?} of {:?}", written, sql);
        for part in digest.parts() {
            Facts::read(digest.text(part));
        }
        Facts::read(&sql);
    }

    #[test]
    fn no_literal_is_left(sql in statement(), open in prop::sample::select(vec![
        "", " 'hunter2", " E'\\'hunter2", " $a$hunter2", " /* hunter2", " -- hunter2", " = U&'hunter2", " 'a'\n'hunter2",
    ])) {
        let sql = sql + open;
        let digest = digest(sql.as_bytes());
        let text = joined(&digest);
        prop_assert!(!text.contains(SECRET), "{:?} of {:?}", text, sql);
        prop_assert!(!text.contains("987"), "{:?} of {:?}", text, sql);
        prop_assert!(!text.is_empty());
    }

    #[test]
    fn reading_a_normalised_text_changes_nothing(sql in statement()) {
        let first = digest(sql.as_bytes());
        for part in first.parts() {
            let once = first.text(part);
            let second = digest(once.as_bytes());
            prop_assert_eq!(second.parts().len(), 1, "{}", once);
            prop_assert_eq!(second.text(&second.parts()[0]), once);
            prop_assert_eq!(second.parts()[0].fingerprint, part.fingerprint);
            prop_assert_eq!(second.parts()[0].literal_count, 0);
        }
    }

    /// Values never change which statement it is, and only values change the hash of the literals.
    #[test]
    fn fingerprints_know_no_values(one in "[a-z']{0,8}", other in "[a-z']{0,8}", n: i64, m: i64) {
        let sql = |text: &str, number: i64| {
            let text = text.replace('\'', "''");
            format!("SELECT \"a\" FROM t WHERE b = '{text}' AND c = {number} AND d IN ({number}, {number})")
        };
        let (one_sql, other_sql) = (sql(&one, n), sql(&other, m));
        let (first, second) = (super::part(&one_sql), super::part(&other_sql));
        prop_assert_eq!(first.fingerprint, second.fingerprint);
        prop_assert_eq!(first.literals == second.literals, one == other && n == m);
    }

    /// Lists of plain literals and names are read in runs, which a comment breaks: it may make no difference.
    #[test]
    fn runs_read_like_single_tokens(
        members in prop::collection::vec(member(), 1..12),
        width in 1..4usize,
        list in prop::sample::select(vec!["a IN (@)", "a = ARRAY[@]", "f(@)", "VALUES #", "VALUES # ON CONFLICT", "@"]),
    ) {
        let sql = |separator: &str| {
            let rows: Vec<_> = members.chunks(width).map(|row| format!("({})", row.join(separator))).collect();
            list.replace('@', &members.join(separator)).replace('#', &rows.join(separator))
        };
        let (runs, tokens) = (sql(", "), sql(",/**/ "));
        let (runs, tokens) = (digest(runs.as_bytes()), digest(tokens.as_bytes()));
        prop_assert_eq!(joined(&runs), joined(&tokens));
        prop_assert_eq!(runs.parts(), tokens.parts());
    }

    /// A text whose beginning is known is read from there on: it may make no difference.
    #[test]
    fn a_known_beginning_makes_no_difference(
        head in pieces(),
        tails in prop::collection::vec(pieces(), 2),
        word in prop::sample::select(vec![" WHERE ", " VALUES "]),
        spaced: bool,
        number: u64,
    ) {
        let join = |pieces: &[String]| pieces.join(if spaced { " " } else { "" });
        let sql = |tail: &[String]| format!("SELECT {}{word}{}", join(&head), join(tail));
        let (other, sql) = (sql(&tails[0]), sql(&tails[1]));
        for _ in 0..3 {
            digest(other.as_bytes());
        }
        reads_as_anew(&sql, number)?;
    }
}

/// What is known of a text makes no difference.
pub(super) fn reads_as_anew(sql: &str, number: u64) -> Result<(), TestCaseError> {
    let known = digest(sql.as_bytes());
    // The number makes it a beginning that was never read, and a hint counts for nothing.
    let anew = digest(format!("/*+{number}*/{sql}").as_bytes());
    prop_assert_eq!(joined(&known), joined(&anew));
    prop_assert_eq!(known.comment(), anew.comment());
    prop_assert_eq!(known.parts(), anew.parts());
    Ok(())
}

/// What may stand before and behind WHERE, whole or in the middle of something.
pub(super) fn pieces() -> impl Strategy<Value = Vec<String>> {
    let token = prop::sample::select(vec![
        "'",
        "\"",
        "E'",
        "$a$",
        "$1",
        "/*",
        "*/",
        "--",
        "\n",
        "\\",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        ".",
        "::",
        ":",
        "-",
        "+",
        "?",
        "1",
        "a",
        " ",
        "IN",
        "VALUES",
        "CASE",
        "WHEN",
        "END",
        "ARRAY",
        "NULL",
        "SELECT",
        "FROM",
        "WHERE",
        "SET",
        "ALTER",
        "set_config(",
        "'TimeZone'",
        "LIMIT",
        "UNION",
        "INTO",
        "UPDATE",
        "_pg3_",
        "timestamp",
        "with",
        "/*c='d'*/",
        "\"t\".\"a\"",
        "\"b\", \"c\"",
        "(1, 2)",
        "int",
        "U&\"a\"",
        "UESCAPE",
    ]);
    let piece = prop_oneof![3 => token.prop_map(str::to_owned), 1 => expression(), 1 => member()];
    prop::collection::vec(piece, 0..12)
}
