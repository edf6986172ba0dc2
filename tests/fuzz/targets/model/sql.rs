//! Statements, with what the server makes of them. Every literal has `zqxj` in it, and nothing else.

use super::Choices;
use pgscope::sql::{Dialect, Digest};
use std::rc::Rc;

/// A name of a statement or portal; the first is the unnamed one.
pub const NAMES: [&str; 4] = ["", "s", "_pg3_0", "\u{fc}"];

/// What one statement does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Rows.
    Select,
    /// A number in its tag.
    Write,
    Begin,
    Commit,
    Rollback,
    Set,
    CopyIn,
    CopyOut,
    CopyBoth,
    Prepare(&'static str, Rc<Text>),
    Deallocate(&'static str),
    DeallocateAll,
    DiscardAll,
    Declare(&'static str),
}

/// A text of one or more statements, or of none.
#[derive(PartialEq, Eq, Debug)]
pub struct Text {
    pub sql: String,
    pub effects: Vec<Effect>,
    /// The statements without their literals.
    pub normal: Vec<String>,
}

impl Text {
    pub fn new(parts: &[(String, Effect)], comment: &str) -> Rc<Self> {
        let texts: Vec<_> = parts.iter().map(|(sql, _)| sql.as_str()).collect();
        let sql = texts.join(";") + comment;
        let mut digest = Digest::new();
        digest.read(
            sql.as_bytes(),
            sql.len(),
            Dialect {
                standard_conforming_strings: true,
            },
        );
        let normal = digest
            .parts()
            .iter()
            .map(|part| digest.text(part).to_owned())
            .collect();
        let effects = parts.iter().map(|(_, effect)| effect.clone()).collect();
        Rc::new(Self {
            sql,
            effects,
            normal,
        })
    }

    pub fn one(sql: impl Into<String>, effect: Effect) -> Rc<Self> {
        Self::new(&[(sql.into(), effect)], "")
    }
}

/// A statement that takes no names and copies nothing.
pub fn plain(choices: &mut Choices<'_>) -> (String, Effect) {
    let (table, value) = (choices.below(5), choices.below(4));
    match choices.below(10) {
        0 | 1 => {
            let filter = format!("WHERE \"shop_t{table}\".\"id\" = {value}");
            (
                format!(
                    "SELECT \"shop_t{table}\".\"id\", 'zqxj' FROM \"shop_t{table}\" {filter} LIMIT 21"
                ),
                Effect::Select,
            )
        }
        2 => (
            format!("SELECT \"shop_t{table}\".\"id\" FROM \"shop_t{table}\""),
            Effect::Select,
        ),
        3 => (
            format!("INSERT INTO shop_t{table} (a) VALUES ('zqxj{value}')"),
            Effect::Write,
        ),
        4 => (
            format!("UPDATE shop_t{table} SET a = E'zqxj\\'' WHERE b IN (1, {value})"),
            Effect::Write,
        ),
        5 => ("BEGIN".into(), Effect::Begin),
        6 => ("COMMIT".into(), Effect::Commit),
        7 => ("ROLLBACK".into(), Effect::Rollback),
        8 => ("SELECT 1".into(), Effect::Select),
        _ => ("SET search_path = 'zqxj'".into(), Effect::Set),
    }
}

/// A text of a few statements, at times of none, at times with the comment of a middleware.
pub fn several(choices: &mut Choices<'_>) -> Rc<Text> {
    let parts: Vec<_> = match choices.below(8) {
        6 => Vec::new(),
        7 => (0..2 + choices.below(2)).map(|_| plain(choices)).collect(),
        _ => vec![plain(choices)],
    };
    let comment = match choices.below(6) {
        3 => " /*route='shop/%3Cint%3E/'*/".to_owned(),
        4 => format!(
            " /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{}-01'*/",
            choices.below(3)
        ),
        5 => " /* zqxj */ -- zqxj".to_owned(),
        _ => String::new(),
    };
    Text::new(&parts, &comment)
}

/// A text that gives or takes names, or a COPY in both directions: nothing for a pipeline.
pub fn effective(choices: &mut Choices<'_>) -> Rc<Text> {
    let name = NAMES[1 + choices.below(3)];
    let quoted = format!("\"{name}\"");
    match choices.below(6) {
        0 => {
            let (body, effect) = plain(choices);
            let meant = Text::one(format!(" {body}"), effect.clone());
            Text::one(
                format!("PREPARE {quoted} (int) AS {body}"),
                Effect::Prepare(name, meant),
            )
        }
        1 => Text::one(format!("DEALLOCATE {quoted}"), Effect::Deallocate(name)),
        2 => Text::one("DEALLOCATE ALL", Effect::DeallocateAll),
        3 => Text::one("DISCARD ALL", Effect::DiscardAll),
        4 => {
            let table = choices.below(3);
            let sql = format!(
                "DECLARE {quoted} NO SCROLL CURSOR FOR SELECT a FROM t{table} WHERE b = 'zqxj'"
            );
            Text::one(sql, Effect::Declare(name))
        }
        _ => Text::one("START_REPLICATION 0/0", Effect::CopyBoth),
    }
}
