//! A normalised text as the server can plan it: `$1`, `$2`, … in place of its literals.

use super::cursor::items;
use super::keyword::Key;
use super::lexer::{Kind, Lexer};
use super::verb::{Class, Verb};
use super::{Facts, Statement};

/// Longest text that is planned: one as long as the normaliser keeps may have lost its end.
const MAX_TEXT: usize = 15 * 1024;
/// Most literals of a text that is planned.
const MAX_PARAMETERS: usize = 500;
/// Types whose name may stand before a literal (`INTERVAL '1 day'`), but not before a parameter.
const TYPES: [&str; 5] = ["date", "interval", "time", "timestamp", "timestamptz"];

/// A statement with parameters instead of literals.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generic {
    /// The text.
    pub text: String,
    /// How many parameters it has.
    pub parameters: usize,
}

impl Statement {
    /// The statement with parameters; `None` where it is more than one plain SELECT from tables. What locks rows, writes
    /// in its WITH, makes a table (`INTO`) or only calls functions is none, and a text without its end is none.
    pub fn generic(&self) -> Option<Generic> {
        is_plain_select(&self.facts, &self.text)
            .then(|| with_parameters(&self.text))
            .flatten()
    }
}

fn is_plain_select(facts: &Facts, text: &str) -> bool {
    let reads = facts.verb == Verb::Select && facts.class == Class::Data;
    let harmless = !facts.with_write && !facts.for_update && !facts.tables.is_empty();
    let odd = |kind| {
        matches!(
            kind,
            Kind::Semicolon | Kind::Param | Kind::Comment | Kind::LineComment | Kind::Dollar
        )
    };
    reads
        && harmless
        && text.len() <= MAX_TEXT
        && !(items(text).iter()).any(|item| item.is("INTO") || odd(item.kind))
}

/// A `?` where an operand is expected stands for a literal, any other is the operator of that name (`jsonb ? text`).
fn with_parameters(text: &str) -> Option<Generic> {
    let mut lexer = Lexer::new(text.as_bytes(), true);
    let (mut out, mut copied, mut parameters) = (String::new(), 0, 0);
    let mut expected = true;
    // Where the last word began in `out`, if it names a type.
    let mut named: Option<(usize, &str)> = None;
    let mut cast = false;
    while let Some(token) = lexer.next() {
        let raw = text.get(token.start..token.end)?;
        out.push_str(text.get(copied..token.start)?);
        copied = token.end;
        let of_type = named.take();
        if raw == "?" && (expected || of_type.is_some()) {
            parameters += 1;
            if let Some((start, name)) = of_type {
                out.truncate(start);
                out.push_str(&format!("${parameters}::{name}"));
            } else {
                out.push_str(&format!("${parameters}"));
            }
            expected = false;
            continue;
        }
        let start = out.len();
        out.push_str(raw);
        expected = match token.kind {
            Kind::Word if cast => false,
            Kind::Word => {
                let typed = TYPES.iter().find(|name| raw.eq_ignore_ascii_case(name));
                named = typed.map(|name| (start, *name));
                Key::of(raw.as_bytes()).expects_operand() || raw.eq_ignore_ascii_case("ZONE")
            }
            Kind::Op | Kind::Open | Kind::OpenBracket | Kind::Comma => true,
            _ => false,
        };
        cast = token.kind == Kind::Cast;
    }
    (parameters <= MAX_PARAMETERS && !lexer.is_open()).then_some(Generic {
        text: out,
        parameters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, Digest, Fingerprint};

    /// What becomes of a text as an application sends it.
    fn generic(sql: &str) -> Option<Generic> {
        let mut digest = Digest::new();
        digest.read(sql.as_bytes(), sql.len(), Dialect::default());
        let part = digest.parts().first()?;
        let text = digest.text(part);
        Statement::new(Fingerprint(1), text).generic()
    }

    fn text(sql: &str) -> String {
        generic(sql).map_or_else(String::new, |generic| generic.text)
    }

    #[test]
    fn literals_become_parameters() {
        for (sql, expected) in [
            (
                r#"SELECT "a" FROM "t" WHERE "t"."b" = 'x' AND "t"."c" IN (1, 2, 3) LIMIT 21"#,
                r#"SELECT "a" FROM "t" WHERE "t"."b" = $1 AND "t"."c" IN ($2) LIMIT 21"#,
            ),
            (
                r#"SELECT "a" FROM "t" WHERE "b" = $1 ORDER BY "a" LIMIT 20 OFFSET 40"#,
                r#"SELECT "a" FROM "t" WHERE "b" = $1 ORDER BY "a" LIMIT $2 OFFSET $3"#,
            ),
            (
                r#"SELECT "a" FROM "t" WHERE "c" AT TIME ZONE 'UTC' > now() - INTERVAL '1 day'"#,
                r#"SELECT "a" FROM "t" WHERE "c" AT TIME ZONE $1 > now() - $2::interval"#,
            ),
            (
                r#"SELECT "a" FROM "t" WHERE "b" BETWEEN 1 AND 2 AND "n" = -5"#,
                r#"SELECT "a" FROM "t" WHERE "b" BETWEEN $1 AND $2 AND "n" = $3"#,
            ),
        ] {
            assert_eq!(text(sql), expected, "{sql}");
        }
    }

    #[test]
    fn the_operators_of_jsonb_stay() {
        assert_eq!(
            text(
                r#"SELECT "a" FROM "t" WHERE "t"."data" ? 'key' AND "t"."data"::jsonb ?| array['k']"#
            ),
            r#"SELECT "a" FROM "t" WHERE "t"."data" ? $1 AND "t"."data"::jsonb ?| $2"#
        );
    }

    #[test]
    fn what_is_no_plain_select_is_left_alone() {
        for sql in [
            "SELECT 1",
            "SELECT setval('s', 7)",
            "SELECT pg_advisory_lock(1)",
            r#"SELECT "a" FROM "t" FOR UPDATE"#,
            r#"SELECT "a" FROM "t" WHERE "b" = 1 FOR SHARE"#,
            r#"SELECT "a" INTO "u" FROM "t""#,
            r#"WITH d AS (DELETE FROM "t" RETURNING "a") SELECT "a" FROM d"#,
            r#"UPDATE "t" SET "a" = 1"#,
            "EXPLAIN SELECT 1",
            r#"DECLARE c CURSOR FOR SELECT "a" FROM "t""#,
            r#"SELECT "a" FROM "t" WHERE "b" = 'never ends"#,
        ] {
            assert_eq!(generic(sql), None, "{sql}");
        }
        let long = format!(
            r#"SELECT "a" FROM "t" WHERE {}"#,
            r#""b" = 1 OR "c" = 2 AND "#.repeat(2000)
        );
        assert_eq!(generic(&long), None);
    }
}
