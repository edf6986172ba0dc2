//! The normaliser: reads any bytes, lets no literal through, and changes nothing when it reads its own text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pgscope::sql::{Dialect, Digest, Facts};

/// Longest text that is kept.
const MAX_TEXT: usize = 16 * 1024;

/// In every literal, and in nothing else.
const SECRETS: [&str; 2] = ["zqxj", "31337"];

const LITERALS: [&str; 16] = [
    "'zqxj'",
    "'a''zqxj'",
    "E'\\'zqxj'",
    "e'zqxj\\\\'",
    "N'zqxj'",
    "U&'zqxj'",
    "B'zqxj'",
    "x'zqxj'",
    "$$zqxj$$",
    "$a$'zqxj$$$a$",
    "'/*zqxj'",
    "'--zqxj'",
    "3133731337",
    "0.31337",
    "31337e5",
    "'zqxj'::text",
];

const OTHERS: [&str; 48] = [
    "/*zqxj*/",
    "/*a/*zqxj*/b*/",
    "--zqxj\n",
    "SELECT",
    "INSERT INTO",
    "UPDATE",
    "DELETE FROM",
    "FROM",
    "WHERE",
    "SET",
    "VALUES",
    "IN",
    "(",
    ")",
    ",",
    ";",
    "=",
    "-",
    "+",
    "||",
    "[",
    "]",
    "::",
    ".",
    "*",
    "<>",
    "->>",
    "t",
    "\"T\"",
    "\"a\"\"b\"",
    "AS",
    "LIMIT",
    "OFFSET",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "$1",
    "BETWEEN",
    "LIKE",
    "CAST",
    "JOIN",
    "ON",
    "ARRAY",
    "CASE",
    "WHEN",
    "THEN",
    "END",
];

/// Makes a statement of what the bytes choose.
struct Grammar<'b>(&'b [u8]);

impl Grammar<'_> {
    fn choose(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first) % count
    }

    fn list(&mut self, depth: usize, separator: &str) -> String {
        let members: Vec<_> = (0..=self.choose(4))
            .map(|_| self.expression(depth + 1))
            .collect();
        members.join(separator)
    }

    fn expression(&mut self, depth: usize) -> String {
        let kinds = if depth > 4 { 4 } else { 12 };
        match self.choose(kinds) {
            0 => "\"t\".\"a\"".to_owned(),
            1 | 2 => LITERALS[self.choose(LITERALS.len())].to_owned(),
            3 => ["$1", "NULL", "a", "now()"][self.choose(4)].to_owned(),
            4 | 5 => {
                let operator = [
                    "=", " = ", " - ", "+", " AND ", " OR ", "||", " ->> ", " LIKE ",
                ][self.choose(9)];
                let (left, right) = (self.expression(depth + 1), self.expression(depth + 1));
                format!("({left}{operator}{right})")
            }
            6 => format!("a IN ({})", self.list(depth, ", ")),
            7 => format!("f({})", self.list(depth, " , ")),
            8 => format!("ARRAY[{}]", self.list(depth, ",")),
            9 => format!("({})::varchar(50)", self.expression(depth + 1)),
            10 => format!(
                "(SELECT {} FROM \"u\" LIMIT 31337)",
                self.expression(depth + 1)
            ),
            _ => {
                let (left, right) = (self.expression(depth + 1), self.expression(depth + 1));
                format!("CASE WHEN ({left} = {right}) THEN {right} ELSE NULL END")
            }
        }
    }

    fn statement(&mut self) -> String {
        match self.choose(4) {
            0 => {
                let (what, filter) = (self.list(0, ", "), self.expression(0));
                format!("SELECT {what} FROM \"t\" WHERE {filter} ORDER BY 1 LIMIT 31337")
            }
            1 => format!(
                "INSERT INTO \"t\" (\"a\") VALUES ({}) RETURNING \"t\".\"id\"",
                self.list(0, "), (")
            ),
            2 => format!(
                "UPDATE t SET a = {} WHERE {}",
                self.list(0, ", b = "),
                self.expression(0)
            ),
            _ => format!("DELETE FROM t WHERE {} -- zqxj", self.expression(0)),
        }
    }
}

fn check(digest: &Digest) {
    for part in digest.parts() {
        let text = digest.text(part);
        assert!(text.len() <= MAX_TEXT, "{} bytes", text.len());
        Facts::read(text);
    }
}

fn check_secrets(sql: &str, digest: &Digest) {
    for part in digest.parts() {
        let text = digest.text(part);
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} of {sql:?} is in {text:?}");
        }
    }
}

fn check_idempotent(sql: &str, digest: &Digest, dialect: Dialect) {
    for part in digest.parts() {
        let text = digest.text(part);
        if text.len() + 4 > MAX_TEXT {
            continue;
        }
        let mut again = Digest::new();
        again.read(text.as_bytes(), text.len(), dialect);
        let [same] = again.parts() else {
            panic!("{text:?} of {sql:?} has {} parts", again.parts().len());
        };
        assert_eq!(again.text(same), text, "of {sql:?}");
        assert_eq!(same.fingerprint, part.fingerprint, "of {sql:?}");
        assert_eq!(same.literal_count, 0, "of {sql:?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([mode, cut], rest)) = data.split_first_chunk() else {
        return;
    };
    let standard = Dialect::default();
    let mut digest = Digest::new();
    match mode % 4 {
        0 | 1 => {
            let dialect = Dialect {
                standard_conforming_strings: mode % 4 == 0,
            };
            digest.read(rest, rest.len() + usize::from(*cut), dialect);
        }
        2 => {
            // Tokens in any order, cut anywhere.
            let tokens: Vec<&str> = rest
                .iter()
                .map(|byte| match usize::from(*byte) % 64 {
                    literal @ 0..16 => LITERALS[literal],
                    other => OTHERS[other - 16],
                })
                .collect();
            let sql = tokens.join(" ");
            let end = sql.len().saturating_sub(usize::from(*cut));
            digest.read(&sql.as_bytes()[..end], sql.len(), standard);
            check_secrets(&sql, &digest);
        }
        _ => {
            let sql = Grammar(rest).statement();
            if sql.len() > 60_000 {
                return;
            }
            digest.read(sql.as_bytes(), sql.len(), standard);
            check_secrets(&sql, &digest);
            check_idempotent(&sql, &digest, standard);
        }
    }
    check(&digest);
});
