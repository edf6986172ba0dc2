//! Texts that are known but for their literals.

use super::digest;
use super::properties::{pieces, reads_as_anew};
use proptest::prelude::*;

proptest! {
    /// A text that is known but for its literals is not cut into tokens: it may make no difference.
    #[test]
    fn a_known_ending_makes_no_difference(
        tail in prop::collection::vec(ending(), 1..4),
        others in prop::collection::vec(literal(), 16),
        literals in prop::collection::vec(literal(), 16),
        verb in prop::sample::select(vec!["SELECT \"id\" FROM \"a table\"", "UPDATE \"a table\" SET \"name\" = \"id\""]),
        word in prop::sample::select(vec![" WHERE ", " VALUES "]),
        spaced: bool,
        number: u64,
    ) {
        let tail = tail.join(if spaced { " " } else { "" });
        let sql = |literals: &[String]| {
            let mut literals = literals.iter().cycle();
            let with = tail.split('@').map(str::to_owned).reduce(|text, piece| {
                text + literals.next().map_or("", String::as_str) + &piece
            });
            format!("{verb}{word}{}", with.unwrap_or_default())
        };
        let (other, sql) = (sql(&others), sql(&literals));
        for _ in 0..5 {
            digest(other.as_bytes());
        }
        reads_as_anew(&sql, number)?;
        // It may have become the one that is known.
        reads_as_anew(&sql, number.wrapping_add(1))?;
    }
}

/// What may stand behind WHERE; `@` is a literal.
fn ending() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "\"t\".\"a\" = @",
        "a = @ AND b = @",
        " AND ",
        " OR NOT (b >= @)",
        "a IN (@)",
        "a IN (@, @)",
        "a IN (@, @, @, @)",
        "(a) IN ((@), (@), (@))",
        "a IN (SELECT b FROM c WHERE d = @)",
        "a = ARRAY[@, @, @]",
        "a = ANY(ARRAY[@,@,@,@])",
        "a LIKE @::text",
        "a = @::numeric(10, 2)",
        "a = @::timestamp with time zone",
        "f(@, @)",
        "(@, @), (@, @), (@, @)",
        "CASE WHEN a = @ THEN @ WHEN b = @ THEN @ ELSE @ END",
        " ORDER BY 1",
        " GROUP BY a",
        " LIMIT @",
        " LIMIT 21",
        " LIMIT @ OFFSET @",
        " OFFSET @",
        "a = $1",
        "a = - @",
        "a -@",
        "a = N@",
        " UNION SELECT a FROM b WHERE c = @",
        ";",
        " ; SELECT @",
        " /*c='d'*/",
        " /* c='@' */",
        " -- e",
        "\n",
    ]);
    prop_oneof![
        15 => known.prop_map(str::to_owned),
        1 => pieces().prop_map(|pieces| pieces.concat()),
    ]
}

/// A literal, mostly one of those that are known by what they begin with.
fn literal() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "0",
        "1",
        "21",
        "007",
        "99999999999999999999",
        "''",
        "'a'",
        "'1'",
        "'/*'",
        "'--'",
        "'$$'",
        "'a b'",
        "'é'",
        "'0bb4b1ad-a4ee-4ba9-9d0c-5a0f4d7c2d3b'",
    ]);
    let other = prop::sample::select(vec![
        "1.5",
        "1e5",
        "0x1f",
        "-5",
        "5..6",
        "1_000",
        "NULL",
        "true",
        "'a''b'",
        "'a'\n'b'",
        "E'\\''",
        "x'1f'",
        "$1",
        "$$a$$",
        "a",
        "'",
        "1)",
        "1, 2",
        "1 /* a */",
    ]);
    prop_oneof![20 => plain, 1 => other].prop_map(str::to_owned)
}
