//! TOML files with the place of what is wrong in them.

use super::problem::{Problem, Source, nearest};
use serde::de::DeserializeOwned;
use std::path::Path;

/// The text of a file; `hint` says what to do where it cannot be read.
pub fn read(file: &Path, hint: &str) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| Problem {
        source: Source::File(file.into()),
        what: format!("cannot read it: {error}"),
        hint: hint.into(),
    })
}

/// What a file of fixed keys says. The type refuses unknown fields.
pub fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error| refused(file, text, &error))
}

/// Why a text was refused, and where.
pub(super) fn refused(file: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let source = at(file, text, error.span().map_or(0, |span| span.start));
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `");
    let unknown = unknown.and_then(|rest| rest.split_once('`'));
    let (what, hint) = match unknown {
        Some((name, rest)) => {
            let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", names.join(", ")),
            };
            (format!("unknown key `{name}`"), hint)
        }
        None if ["invalid ", "missing "].iter().any(|word| message.starts_with(word)) => (
            message.replace('\n', ", "),
            "numbers stand without quotes, texts with them, and lists in brackets".into(),
        ),
        None => (
            format!("not valid TOML: {}", message.replace('\n', ", ")),
            "texts and durations need quotes: key = \"value\"; a section is `[name]` on its own line"
                .into(),
        ),
    };
    Problem { source, what, hint }
}

/// The place of a byte offset.
pub fn at(file: &Path, text: &str, offset: usize) -> Source {
    let (line, column) = place(text, offset);
    Source::Place(file.into(), line, column)
}

/// Line and column of a byte offset, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}
