//! The query whose rows a loop walks over: which earlier statement can be the parent of a repeated one.

use super::names::{self, Fit};
use super::plausible::real_table;
use super::runs::Runs;
use crate::request::{Confidence, Group, Request};
use crate::sql::Facts;

/// Furthest that a parent may stand before its loop where only its count, not its name, speaks for it.
/// The longest loop body looked for: siblings of the child's first call may stand between.
const ADJACENT: usize = 8;
/// Furthest that a parent may stand before its loop where the request's limits are a guess.
const RECENT_QUERIES: usize = 20;
/// Longest time from the parent to its loop where the request's limits are a guess, ns.
const RECENT_NANOS: u64 = 2_000_000_000;
/// Parents looked at, nearest first: the work stays small however many statements a request has.
const PARENTS: usize = 16;

/// A repeated statement: the suspect.
pub(super) struct Child<'a> {
    /// Index into the groups.
    pub group: usize,
    /// What it asks.
    pub facts: &'a Facts,
    /// Index of its first call in the entries.
    pub first: usize,
    /// Calls in the loop.
    pub calls: u64,
    /// Different values among them.
    pub distinct: u64,
    /// Greatest number of rows of one call.
    pub max_rows: u32,
}

/// An earlier query that read several rows.
#[derive(Clone, Copy)]
pub(super) struct Parent<'a> {
    /// Index into the groups.
    pub group: usize,
    /// What it asked.
    pub facts: &'a Facts,
    /// Rows of all its calls; of the last one where the request's limits are a guess.
    pub rows: u64,
    /// It stands close before the loop.
    adjacent: bool,
}

/// The parent of a loop over its primary keys, and the way from its main table.
pub(super) struct Owner {
    /// Index into the groups.
    pub group: usize,
    /// Main table of the parent.
    pub table: String,
    /// Table whose primary key is compared: the main one, or one that `select_related()` joined.
    pub owner: String,
    /// Lookup from the main table to `owner`, `author__` for example, or empty.
    pub path: String,
}

impl Parent<'_> {
    /// Its rows can have caused `calls` queries, one for each of `keys` relations. A tenth may be strays.
    pub(super) fn can_cause(&self, calls: u64, keys: usize) -> bool {
        calls * 10 <= self.rows * keys as u64 * 11
    }

    /// Rows and values agree so well that the names need not: at least 80 % of the rows have a value of
    /// their own, and the loop started right after them.
    pub(super) fn counts_fit(&self, values: u64) -> bool {
        self.adjacent && values <= self.rows && values * 10 >= self.rows * 8
    }

    /// Tables whose columns it reads: the main one first.
    fn tables(&self) -> Vec<&str> {
        let mut tables = vec![self.facts.table.as_str()];
        for column in &self.facts.columns {
            if !column.table.is_empty() && !tables.contains(&column.table.as_str()) {
                tables.push(&column.table);
            }
        }
        tables
    }
}

/// Queries before the first call of `child` that can feed its loop, nearest first.
pub(super) fn earlier<'a>(request: &'a Request, runs: &Runs, child: &Child<'_>) -> Vec<Parent<'a>> {
    let guessed = request.boundary.confidence() == Confidence::Low;
    let mut found: Vec<(usize, Parent<'a>)> = (request.groups.iter().enumerate())
        .filter(|(index, group)| *index != child.group && feeds(group))
        .filter_map(|(index, group)| {
            let positions = runs.positions(index);
            let before = positions.partition_point(|at| *at < child.first);
            let last = *positions.get(before.checked_sub(1)?)?;
            if guessed && !is_recent(request, last, child.first) {
                return None;
            }
            let rows = if guessed {
                u64::from(request.entries.get(last)?.rows)
            } else {
                group.rows
            };
            let parent = Parent {
                group: index,
                facts: &group.statement.facts,
                rows,
                adjacent: child.first - last <= ADJACENT,
            };
            Some((last, parent))
        })
        .collect();
    found.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
    found.truncate(PARENTS);
    found.into_iter().map(|(_, parent)| parent).collect()
}

fn feeds(group: &Group) -> bool {
    let facts = &group.statement.facts;
    group.rows >= 2 && !facts.is_write() && !facts.table.is_empty()
}

/// Where two requests may be taken for one, only one query with several rows, just before, is a parent.
fn is_recent(request: &Request, parent: usize, child: usize) -> bool {
    let (Some(parent_entry), Some(child_entry)) =
        (request.entries.get(parent), request.entries.get(child))
    else {
        return false;
    };
    let idle = (child_entry.started.0)
        .saturating_sub(parent_entry.started.0.saturating_add(parent_entry.nanos));
    parent_entry.rows >= 2 && child - parent <= RECENT_QUERIES && idle <= RECENT_NANOS
}

/// What speaks for an owner, best first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The key is named after the parent's main table.
    Main,
    /// The key is named after a table that the parent has joined.
    Joined,
    /// The numbers agree.
    Count,
}

/// Whose rows a loop over `"child"."field_id" = ?` walks. `through`: the many-to-many table, or empty.
pub(super) fn owner(
    parents: &[Parent<'_>],
    child: &Child<'_>,
    field: &str,
    through: &str,
    by: By,
) -> Option<Owner> {
    let named = |table: &str| {
        // `lib_book_tags` is the table of `Book.tags`, however its column is named.
        let is_m2m = !through.is_empty() && through.starts_with(&format!("{table}_"));
        let is_tree = field == "parent" && table == child.facts.table;
        is_m2m || is_tree || names::fit(field, table) != Fit::None
    };
    parents.iter().find_map(|parent| {
        let main = parent.facts.table.as_str();
        let alias = match by {
            _ if child.distinct > parent.rows => None,
            By::Main => named(main).then_some(main),
            By::Joined => (parent.tables().into_iter().skip(1))
                .find(|alias| named(real_table(parent.facts, alias))),
            By::Count => (main != through && parent.counts_fit(child.distinct)).then_some(main),
        }?;
        Some(Owner {
            group: parent.group,
            table: main.to_owned(),
            owner: real_table(parent.facts, alias).to_owned(),
            path: path(parent.facts, alias)?,
        })
    })
}

/// Lookup that leads from the main table to `alias`, each step ended by `__`; empty for the main table
/// itself, `None` where the joins do not lead there.
pub(super) fn path(facts: &Facts, alias: &str) -> Option<String> {
    let mut steps = Vec::new();
    let mut at = alias;
    while !at.is_empty() && at != facts.table {
        // As many steps as joins: no way is longer, and a circle ends.
        if steps.len() >= facts.joins.len() {
            return None;
        }
        let (near, far) = facts.joins.iter().find_map(|join| {
            if join.right.table == at {
                Some((&join.left, &join.right))
            } else if join.left.table == at {
                Some((&join.right, &join.left))
            } else {
                None
            }
        })?;
        steps.push(
            names::field(&near.name).unwrap_or_else(|| names::model(real_table(facts, &far.table))),
        );
        at = &near.table;
    }
    Some(steps.iter().rev().map(|step| format!("{step}__")).collect())
}
