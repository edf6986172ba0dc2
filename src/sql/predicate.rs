//! Facts of a WHERE clause.

use super::cursor::Cursor;
use super::facts::{Column, Facts, Identifier};
use super::lexer::Kind;
use super::statement::MAX_DEPTH;

/// Most equalities that are kept.
const MAX_EQUALITIES: usize = 8;

/// Reads a condition: the parts that AND joins, also in parentheses, as Django writes them.
pub(super) fn read(condition: Cursor<'_, '_>, facts: &mut Facts) {
    conjunction(condition, facts, 0);
}

fn conjunction(mut condition: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    let mut alternatives = condition;
    alternatives.take_until(|item| item.is("OR"));
    if depth >= MAX_DEPTH || !alternatives.is_empty() {
        facts.other_predicates = true;
        return;
    }
    while !condition.is_empty() {
        let part = condition.take_until(|item| item.is("AND"));
        condition.next();
        // The AND of `BETWEEN ? AND ?` parts no conditions.
        if part.items().iter().any(|item| item.is("BETWEEN")) {
            condition.take_until(|item| item.is("AND"));
            condition.next();
            facts.other_predicates = true;
            continue;
        }
        predicate(part, facts, depth);
    }
}

fn predicate(mut part: Cursor<'_, '_>, facts: &mut Facts, depth: usize) {
    let mut inner = part;
    if let Some(inside) = inner.take_parens()
        && inner.is_empty()
    {
        return conjunction(inside, facts, depth + 1);
    }
    let column = take_column(&mut part);
    let operator = part.next();
    match (column, operator) {
        (Some(column), Some(operator)) if operator.text == "=" => {
            let literal = part.next().filter(|item| item.is_literal());
            if let Some(literal) = literal
                && part.is_empty()
                && facts.equalities.len() < MAX_EQUALITIES
            {
                facts.equalities.push(column);
                facts.equality_keys.push(literal.key);
            } else {
                facts.other_predicates = true;
            }
        }
        (Some(column), Some(operator)) if operator.is("IN") && facts.in_column.is_none() => {
            let list = part.take_parens();
            let literal = list.and_then(|list| match list.items() {
                [item] if item.is_literal() => Some(*item),
                _ => None,
            });
            if let Some(literal) = literal
                && part.is_empty()
            {
                facts.in_column = Some(column);
                facts.in_key = literal.key;
            } else {
                facts.other_predicates = true;
            }
        }
        _ => facts.other_predicates = true,
    }
}

/// Takes `[[schema.]table.]column`, perhaps in parentheses.
pub(super) fn take_column(cursor: &mut Cursor<'_, '_>) -> Option<Column> {
    let mut ahead = *cursor;
    if let Some(mut inside) = ahead.take_parens() {
        let column = take_column(&mut inside)?;
        *cursor = ahead;
        return inside.is_empty().then_some(column);
    }
    let mut table = Identifier::default();
    let mut name = ahead.next()?.name()?;
    while ahead.take_kind(Kind::Dot) {
        let next = ahead.next()?;
        table = name;
        name = if next.text == "*" {
            "*".into()
        } else {
            next.name()?
        };
    }
    *cursor = ahead;
    Some(Column { table, name })
}
