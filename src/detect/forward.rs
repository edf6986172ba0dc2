//! Foreign keys of an earlier list that lead to the table of a repeated `get()`.

use super::names::{self, Fit};
use super::parents::{self, Child, Parent};
use super::relation::{Kind, Name, Relation, is_own};
use crate::request::{Group, Request};
use crate::sql::{Column, Facts};

/// Candidates that are listed where nothing says which key it is: the list becomes a label value.
const CANDIDATES: usize = 4;

/// A foreign key of an earlier list, told by its name. It is read row by row, at most once a row and key.
pub(super) fn named(
    request: &Request,
    parents: &[Parent<'_>],
    child: &Child<'_>,
) -> Option<Relation> {
    for at_least in [Fit::Near, Fit::Role] {
        for parent in parents {
            let mut keys = keys(request, parent.facts, &child.facts.table);
            let best = keys.iter().map(|key| key.fit).max().unwrap_or(Fit::None);
            keys.retain(|key| key.fit == best);
            if best >= at_least && parent.can_cause(child.calls, keys.len()) {
                return Some(relation(parent, keys));
            }
        }
    }
    None
}

/// A generic foreign key, or a foreign key whose name says nothing (`db_table`): then the numbers must agree.
pub(super) fn unnamed(
    request: &Request,
    parents: &[Parent<'_>],
    child: &Child<'_>,
) -> Option<Relation> {
    let generic = (parents.iter())
        .find(|parent| has_generic_key(parent.facts) && parent.can_cause(child.calls, 1));
    if let Some(parent) = generic {
        let parent = Some((parent.group, parent.facts.table.to_string()));
        let name = Name::Default("content_object".to_owned());
        return Some(Relation::new(Kind::GenericFk, parent, name));
    }
    parents.iter().find_map(|parent| {
        let keys = keys(request, parent.facts, &child.facts.table);
        if keys.is_empty() || !parent.counts_fit(child.calls) {
            return None;
        }
        // Being the only key does not make it the right one: the true one may have a name without `_id`.
        let unfit = keys.iter().all(|key| key.fit == Fit::None);
        let mut relation = relation(parent, keys);
        relation.name = match relation.name {
            Name::Known(name) if unfit => Name::Perhaps {
                name,
                to: child.facts.table.to_string(),
            },
            name => name,
        };
        Some(relation)
    })
}

fn relation(parent: &Parent<'_>, keys: Vec<Key>) -> Relation {
    let mut paths: Vec<String> = keys.into_iter().map(|key| key.path).collect();
    let name = match paths.as_slice() {
        [_] => Name::Known(paths.swap_remove(0)),
        _ => {
            paths.truncate(CANDIDATES);
            Name::OneOf(paths)
        }
    };
    let parent = Some((parent.group, parent.facts.table.to_string()));
    Relation::new(Kind::ForwardFk, parent, name)
}

/// A foreign key in a SELECT list.
struct Key {
    /// Lookup from the main table: `book__author`.
    path: String,
    fit: Fit,
}

/// Foreign keys of `facts` that may lead to `table`: not one whose rows a join has fetched already, nor one
/// that is named after another table of this request.
fn keys(request: &Request, facts: &Facts, table: &str) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for column in &facts.columns {
        let Some(field) = names::field(&column.name) else {
            continue;
        };
        if names::is_content_type(&column.name) || names::is_object_id(&column.name) {
            continue;
        }
        // A tree of one model: `parent_id` leads to its own table.
        let own_tree = field == "parent" && is_own(facts, column) && facts.table == table;
        let fit = if own_tree {
            Fit::Exact
        } else {
            names::fit(field, table)
        };
        let other = |group: &Group| {
            let other = &group.statement.facts.table;
            other != table && names::fit(field, other) == Fit::Exact
        };
        if is_joined(facts, column) || (fit < Fit::Exact && request.groups.iter().any(other)) {
            continue;
        }
        let Some(prefix) = parents::path(facts, &column.table) else {
            continue;
        };
        let path = format!("{prefix}{field}");
        if keys.iter().all(|key| key.path != path) {
            keys.push(Key { path, fit });
        }
    }
    keys
}

/// Whether `select_related()` has fetched what `column` leads to: joined, and listed in the SELECT.
fn is_joined(facts: &Facts, column: &Column) -> bool {
    let listed = |other: &Column| facts.columns.iter().any(|c| c.table == other.table);
    facts.joins.iter().any(|join| {
        (join.left == *column && listed(&join.right))
            || (join.right == *column && listed(&join.left) && join.left.table != column.table)
    })
}

fn has_generic_key(facts: &Facts) -> bool {
    let any = |test: fn(&str) -> bool| facts.columns.iter().any(|column| test(&column.name));
    any(names::is_content_type) && any(names::is_object_id)
}
