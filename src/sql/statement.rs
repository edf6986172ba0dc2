//! Facts of a whole statement: its command, and the clauses that hang on it.

use super::cursor::Cursor;
use super::facts::{Column, Facts, Identifier, Projection};
use super::lexer::Kind;
use super::predicate;
use super::query;
use super::verb::{Class, Verb};

/// Most tables of a statement.
const MAX_TABLES: usize = 16;
/// Most columns of a SELECT list or SET clause.
const MAX_COLUMNS: usize = 128;
/// Deepest nesting of statements in statements and queries in queries.
pub(super) const MAX_DEPTH: usize = 16;

impl Facts {
    /// Adds a table, once.
    pub(super) fn add_table(&mut self, table: Identifier) {
        if self.tables.len() < MAX_TABLES && !self.tables.contains(&table) {
            self.tables.push(table);
        }
    }

    /// Adds a column.
    pub(super) fn add_column(&mut self, column: Column) {
        if self.columns.len() < MAX_COLUMNS {
            self.columns.push(column);
        }
    }
}

/// Reads a statement. `facts` must be the default.
pub(super) fn read(cursor: Cursor<'_, '_>, facts: &mut Facts) {
    let mut first = cursor;
    while first.take_kind(Kind::Open) {}
    let Some(word) = first.peek() else {
        facts.verb = Verb::Empty;
        return;
    };
    facts.verb = Verb::of(word.text);
    first.next();
    let words = first.items().iter().map(|item| item.text);
    facts.class = Class::of(facts.verb, words);
    if word.is("WITH") || matches!(facts.verb, Verb::Select | Verb::Values | Verb::Table) {
        facts.verb = body(cursor, facts, 0);
    } else {
        command(facts.verb, first, facts, 0);
    }
}

/// Reads a statement that may stand inside another: a query or a change of rows, perhaps behind WITH. Returns its
/// verb.
fn body(mut cursor: Cursor<'_, '_>, facts: &mut Facts, depth: usize) -> Verb {
    if depth >= MAX_DEPTH {
        return Verb::Other;
    }
    if cursor.take("WITH") {
        return with(cursor, facts, depth);
    }
    let Some(word) = cursor.peek() else {
        return Verb::Other;
    };
    if word.kind == Kind::Open {
        query::read(cursor, facts, depth);
        return Verb::Select;
    }
    let verb = Verb::of(word.text);
    match verb {
        Verb::Select | Verb::Values | Verb::Table => query::read(cursor, facts, depth),
        Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge => {
            cursor.next();
            command(verb, cursor, facts, depth + 1);
        }
        _ => {}
    }
    verb
}

/// `WITH name AS (…), … statement`: the facts are the last statement's, the tables those of all.
fn with(mut cursor: Cursor<'_, '_>, facts: &mut Facts, depth: usize) -> Verb {
    let mut names = Vec::new();
    let mut inner = Facts::default();
    // A WITH query may bear the name of the table that it writes.
    let mut written = Vec::new();
    cursor.take("RECURSIVE");
    while let Some(name) = cursor.take_table() {
        names.push(name);
        cursor.take_parens();
        cursor.take("AS");
        cursor.take("NOT");
        cursor.take("MATERIALIZED");
        if let Some(query) = cursor.take_parens() {
            let mut of_query = Facts::default();
            let verb = body(query, &mut of_query, depth + 1);
            let writes = matches!(
                verb,
                Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge
            );
            facts.with_write |= writes || of_query.with_write;
            if writes {
                written.extend(of_query.tables.first().cloned());
            }
            for table in of_query.tables {
                inner.add_table(table);
            }
        }
        if !cursor.take_kind(Kind::Comma) {
            break;
        }
    }
    let verb = body(cursor, facts, depth + 1);
    facts.tables.retain(|table| !names.contains(table));
    for table in written {
        facts.add_table(table);
    }
    for table in inner.tables {
        if !names.contains(&table) {
            facts.add_table(table);
        }
    }
    verb
}

/// Reads what follows the command's first word.
fn command(verb: Verb, mut cursor: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    match verb {
        Verb::Insert | Verb::Merge => {
            cursor.take("INTO");
            target(&mut cursor, facts);
            let before = cursor.take_until(|item| item.is_any(&["SELECT", "WITH", "USING"]));
            // `INSERT … (SELECT …)` is rare; only its bare form is looked into.
            if !before.items().iter().any(|item| item.is("VALUES")) {
                let mut source = Facts::default();
                if cursor.take("USING") {
                    target(&mut cursor, &mut source);
                } else {
                    body(cursor, &mut source, depth + 1);
                }
                for table in source.tables {
                    facts.add_table(table);
                }
            }
        }
        Verb::Update => {
            target(&mut cursor, facts);
            cursor.take_until(|item| item.is("SET"));
            cursor.next();
            let mut set = cursor.take_until(|item| item.is_any(&["FROM", "WHERE", "RETURNING"]));
            while let Some(mut assignment) = set.take_element() {
                let name = assignment.peek().and_then(|item| item.name());
                assignment.next();
                if let (Some(name), Some("=")) = (name, assignment.peek().map(|item| item.text)) {
                    let table = Identifier::default();
                    facts.add_column(Column { table, name });
                }
            }
            tail(cursor, facts, depth);
        }
        Verb::Delete => {
            cursor.take("FROM");
            target(&mut cursor, facts);
            tail(cursor, facts, depth);
        }
        Verb::Declare => {
            cursor.take_until(|item| item.is("FOR"));
            cursor.next();
            body(cursor, facts, depth + 1);
        }
        Verb::Explain => {
            cursor.take_parens();
            while cursor.take("ANALYZE") || cursor.take("VERBOSE") {}
            body(cursor, facts, depth + 1);
        }
        Verb::Truncate | Verb::Lock => {
            cursor.take("TABLE");
            while target(&mut cursor, facts) && cursor.take_kind(Kind::Comma) {}
        }
        Verb::Copy => {
            if let Some(query) = cursor.take_parens() {
                body(query, facts, depth + 1);
                facts.projection = Projection::Other;
            } else {
                target(&mut cursor, facts);
                cursor.take_parens();
                facts.copy_from = cursor.take("FROM");
            }
        }
        Verb::Vacuum | Verb::Analyze => {
            cursor.take_parens();
            while ["FULL", "FREEZE", "VERBOSE", "ANALYZE"]
                .iter()
                .any(|word| cursor.take(word))
            {}
            target(&mut cursor, facts);
        }
        Verb::Alter | Verb::Drop | Verb::Create => {
            cursor.take_until(|item| item.is_any(&["TABLE", "ON", "AS"]));
            let table = cursor.take("TABLE") || verb == Verb::Create && cursor.take("ON");
            for word in ["IF", "NOT", "EXISTS"] {
                cursor.take(word);
            }
            if table {
                target(&mut cursor, facts);
            }
        }
        _ => {}
    }
}

/// The table that a command is about.
fn target(cursor: &mut Cursor<'_, '_>, facts: &mut Facts) -> bool {
    cursor.take("ONLY");
    let table = cursor.take_table();
    let found = table.is_some();
    if let Some(table) = table {
        facts.add_table(table);
    }
    found
}

/// `[FROM | USING …] [WHERE …] [RETURNING …]` of UPDATE and DELETE.
fn tail(mut cursor: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    cursor.take_until(|item| item.is_any(&["FROM", "USING", "WHERE", "RETURNING"]));
    if cursor.take("FROM") || cursor.take("USING") {
        let from = cursor.take_until(|item| item.is_any(&["WHERE", "RETURNING"]));
        query::from(from, facts, depth);
    }
    if cursor.take("WHERE") {
        let condition = cursor.take_until(|item| item.is("RETURNING"));
        predicate::read(condition, facts);
    }
}
