//! Tests of the public face of SQL reading; the inputs are statements that Django and its drivers sent.

mod comment;
mod digest;
mod endings;
mod facts;
mod keys;
mod lexical;
mod properties;
mod statements;
mod verb;

use super::{Dialect, Digest, Part};

/// Reads a whole text as PostgreSQL does by default.
fn digest(sql: &[u8]) -> Digest {
    let mut digest = Digest::new();
    digest.read(sql, sql.len(), Dialect::default());
    digest
}

/// The normalised texts of a message.
fn texts(sql: &[u8]) -> Vec<String> {
    let digest = digest(sql);
    let text = |part| digest.text(part).to_owned();
    digest.parts().iter().map(text).collect()
}

/// The normalised text of the only statement.
fn text(sql: &str) -> String {
    let mut texts = texts(sql.as_bytes());
    assert_eq!(texts.len(), 1, "statements in {sql:?}");
    texts.remove(0)
}

/// The only statement.
fn part(sql: &str) -> Part {
    let digest = digest(sql.as_bytes());
    assert_eq!(digest.parts().len(), 1, "statements in {sql:?}");
    digest.parts()[0]
}
