//! Facts of a SELECT, and of the queries it is made of.

use super::cursor::{Cursor, Item};
use super::facts::{Facts, Identifier, Join, Limit, Projection};
use super::lexer::Kind;
use super::predicate::{self, take_column};
use super::statement::MAX_DEPTH;

/// Most joins that are kept.
const MAX_JOINS: usize = 16;
/// Prefix of the column that Django's many-to-many prefetch adds
/// (`django/db/models/fields/related_descriptors.py`).
const PREFETCH: &str = "_prefetch_related_val_";

const SET_OPERATIONS: &[&str] = &["UNION", "INTERSECT", "EXCEPT"];
const TAIL: &[&str] = &["ORDER", "LIMIT", "OFFSET", "FETCH", "FOR"];
const AGGREGATES: &[&str] = &[
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VAR_POP",
    "VAR_SAMP",
    "BOOL_AND",
    "BOOL_OR",
    "BIT_AND",
    "BIT_OR",
    "ARRAY_AGG",
    "STRING_AGG",
    "JSONB_AGG",
    "JSON_AGG",
    "EVERY",
];

/// Reads a query with its set operations and its tail.
pub(super) fn read(mut cursor: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    if depth >= MAX_DEPTH {
        return;
    }
    operand(&mut cursor, facts, depth);
    let mut combined = false;
    while SET_OPERATIONS.iter().any(|word| cursor.take(word)) {
        combined = true;
        cursor.take("ALL");
        cursor.take("DISTINCT");
        let mut other = Facts::default();
        operand(&mut cursor, &mut other, depth);
        for table in other.tables {
            facts.add_table(table);
        }
    }
    if combined {
        // No single WHERE or list stands for the whole.
        facts.projection = Projection::Other;
        facts.equalities.clear();
        facts.equality_keys.clear();
        (facts.in_column, facts.in_key) = (None, None);
        facts.other_predicates = true;
    }
    tail(cursor, facts);
}

/// One SELECT of a query, up to the next set operation or the tail.
fn operand(cursor: &mut Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    if let Some(inside) = cursor.take_parens() {
        return read(inside, facts, depth + 1);
    }
    if cursor.take("TABLE") {
        if let Some(table) = cursor.take_table() {
            facts.add_table(table);
        }
        return;
    }
    let ends = |item: &Item<'_>| item.is_any(SET_OPERATIONS) || item.is_any(TAIL);
    if !cursor.take("SELECT") {
        cursor.take_until(ends);
        return;
    }
    let mut select = cursor.take_until(ends);
    if select.take("DISTINCT") {
        facts.distinct = true;
        if select.take("ON") {
            select.take_parens();
        }
    } else {
        select.take("ALL");
    }
    let list = list(&mut select);
    if select.take("FROM") {
        let clause = |item: &Item<'_>| item.is_any(&["WHERE", "GROUP", "HAVING", "WINDOW"]);
        from(select.take_until(clause), facts, depth);
    }
    if select.take("WHERE") {
        let clause = |item: &Item<'_>| item.is_any(&["GROUP", "HAVING", "WINDOW"]);
        predicate::read(select.take_until(clause), facts);
    }
    facts.group_by = select.take("GROUP");
    projection(list, facts);
}

/// The SELECT list: everything up to FROM, but not the FROM of `IS DISTINCT FROM`.
fn list<'t, 'a>(select: &mut Cursor<'t, 'a>) -> Cursor<'t, 'a> {
    let whole = select.items();
    loop {
        select.take_until(|item| item.is("FROM"));
        let taken = whole.len() - select.items().len();
        let distinct = taken > 0 && whole[taken - 1].is("DISTINCT");
        if !distinct || select.next().is_none() {
            return Cursor::new(&whole[..taken]);
        }
    }
}

fn projection(mut list: Cursor<'_, '_>, facts: &mut Facts) {
    let (mut elements, mut columns, mut aggregates) = (0, 0, 0);
    let (mut count, mut exists) = (false, false);
    while let Some(element) = list.take_element() {
        elements += 1;
        let mut rest = element;
        if let Some(column) = take_column(&mut rest)
            && let Some(alias) = alias(rest)
        {
            columns += 1;
            facts.prefetch |= alias.is_some_and(|name| name.starts_with(PREFETCH));
            facts.add_column(column);
            continue;
        }
        let mut rest = element;
        if rest.peek().is_some_and(|item| item.text == "*") {
            rest.next();
            if rest.is_empty() {
                columns += 1;
                let name = "*".into();
                facts.add_column(super::Column {
                    table: Identifier::default(),
                    name,
                });
                continue;
            }
        }
        exists |= literal_as_a(element);
        if is_aggregate(element) {
            aggregates += 1;
            count |= is_count(element);
        }
    }
    facts.projection = match elements {
        1 if count && !facts.group_by => Projection::Count,
        1 if exists => Projection::Exists,
        1.. if columns == elements => Projection::Columns,
        1.. if aggregates == elements && !facts.group_by => Projection::Aggregate,
        _ => Projection::Other,
    };
}

/// What is left of a list element is nothing, `AS name` or `name`: the name, if any.
fn alias(mut rest: Cursor<'_, '_>) -> Option<Option<Identifier>> {
    rest.take("AS");
    match rest.items() {
        [] => Some(None),
        [item] => item.name().map(Some),
        _ => None,
    }
}

/// `? AS "a"`, in Django before 4.2 `(?) AS "a"`.
fn literal_as_a(element: Cursor<'_, '_>) -> bool {
    let texts = |expected: &[&str]| {
        element
            .items()
            .iter()
            .map(|item| item.text)
            .eq(expected.iter().copied())
    };
    texts(&["?", "AS", "\"a\""]) || texts(&["(", "?", ")", "AS", "\"a\""])
}

/// `COUNT(*)` with or without a name.
fn is_count(mut element: Cursor<'_, '_>) -> bool {
    element.take("COUNT")
        && element
            .take_parens()
            .is_some_and(|inner| matches!(inner.items(), [item] if item.text == "*"))
        && alias(element).is_some()
}

/// An aggregate function, or one inside COALESCE, and nothing but a cast, FILTER or name behind it.
fn is_aggregate(mut element: Cursor<'_, '_>) -> bool {
    if element.take("COALESCE") {
        return element.take_parens().is_some_and(is_aggregate);
    }
    let function = element.next().is_some_and(|item| item.is_any(AGGREGATES));
    // Over a window it is no aggregate: there are as many rows as without.
    function
        && element.take_parens().is_some()
        && !element.items().iter().any(|item| item.is("OVER"))
}

/// Reads a FROM clause.
pub(super) fn from(mut clause: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    while let Some(mut element) = clause.take_element() {
        relation(&mut element, facts, depth);
        loop {
            element.take_until(|item| item.is("JOIN"));
            if !element.take("JOIN") {
                break;
            }
            let table = relation(&mut element, facts, depth);
            let mut condition = element.take_until(|item| {
                item.is_any(&["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL"])
            });
            condition.take_until(|item| item.is("ON"));
            condition.next();
            if facts.joins.len() < MAX_JOINS {
                let (left, right) = equality(condition).unwrap_or_default();
                facts.joins.push(Join { table, left, right });
            }
        }
    }
}

/// Takes a table, derived table or function of FROM; returns the table.
fn relation(cursor: &mut Cursor<'_, '_>, facts: &mut Facts, depth: usize) -> Identifier {
    cursor.take("LATERAL");
    cursor.take("ONLY");
    if let Some(inside) = cursor.take_parens() {
        let mut inner = Facts::default();
        if inside.peek().is_some_and(|item| {
            item.is_any(&["SELECT", "WITH", "VALUES"]) || item.kind == Kind::Open
        }) {
            read(inside, &mut inner, depth + 1);
        } else if depth < MAX_DEPTH {
            from(inside, &mut inner, depth + 1);
        }
        let filtered = !inner.equalities.is_empty() || inner.in_column.is_some();
        facts.other_predicates |= filtered || inner.other_predicates;
        for table in inner.tables {
            facts.add_table(table);
        }
        return Identifier::default();
    }
    let Some(table) = cursor.take_table() else {
        return Identifier::default();
    };
    if cursor.take_parens().is_some() {
        // A function, such as UNNEST.
        return Identifier::default();
    }
    facts.add_table(table.clone());
    table
}

/// The first `column = column` of a join's condition.
fn equality(mut condition: Cursor<'_, '_>) -> Option<(super::Column, super::Column)> {
    let mut whole = condition;
    if let Some(inside) = whole.take_parens() {
        condition = inside;
    }
    while !condition.is_empty() {
        let mut part = condition.take_until(|item| item.is("AND"));
        condition.next();
        if let Some(inside) = part.take_parens() {
            part = inside;
        }
        let left = take_column(&mut part);
        let equals = part.next().is_some_and(|item| item.text == "=");
        if let (Some(left), true, Some(right)) = (left, equals, take_column(&mut part)) {
            return Some((left, right));
        }
    }
    None
}

/// ORDER BY, LIMIT, OFFSET and the locking clause.
fn tail(mut cursor: Cursor<'_, '_>, facts: &mut Facts) {
    while let Some(item) = cursor.next() {
        if item.is("ORDER") {
            cursor.take("BY");
            facts.order_by = true;
            let texts = cursor.items();
            facts.random_order =
                matches!(texts, [name, open, ..] if name.is("RANDOM") && open.kind == Kind::Open);
        } else if item.is("LIMIT") {
            facts.limit = match cursor.peek().map(|item| item.text) {
                Some("1") => Limit::One,
                Some("21") => Limit::TwentyOne,
                Some(word) if word.eq_ignore_ascii_case("ALL") => Limit::None,
                _ => Limit::Other,
            };
        } else if item.is("FETCH") {
            facts.limit = Limit::Other;
        } else if item.is("OFFSET") {
            facts.offset = true;
        } else if item.is("FOR") {
            facts.for_update = true;
        } else if item.is("SKIP") {
            facts.skip_locked |= cursor.take("LOCKED");
        }
        cursor.take_until(|item| item.is_any(TAIL) || item.is("SKIP"));
    }
}
