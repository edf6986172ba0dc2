//! What repeats with a right to: never a query in a loop.

use super::parents::Child;
use super::shares_table;
use crate::request::{Entry, Group, Request};
use crate::sql::{Facts, Limit, Verb};

/// An IN list of this length is a batch (`prefetch_related` in chunks, `in_bulk` in batches), not a loop.
const BATCH: u32 = 10;
/// How soon after a loop a write belongs to it, in queries.
const LOOP_TAIL: usize = 8;

/// A SELECT by value, not one page of a list and no lock.
pub(super) fn is_suspect(facts: &Facts) -> bool {
    let by_value = !facts.equalities.is_empty() || facts.in_column.is_some();
    // `WHERE status = ? AND id > ? ORDER BY id LIMIT 100` walks a table in pages.
    let keyset = facts.limit == Limit::Other && facts.order_by && facts.other_predicates;
    facts.is_read()
        && by_value
        && !keyset
        && !facts.offset
        && !facts.random_order
        && !facts.for_update
        && !facts.skip_locked
}

/// Tables of the system, and those that Django and its kin read for themselves: `duplicate_query` watches these.
pub(super) fn is_system(group: &Group) -> bool {
    let facts = &group.statement.facts;
    let table = facts.table.as_str();
    matches!(
        table,
        "" | "django_migrations" | "django_content_type" | "django_session" | "django_site"
    ) || ["pg_", "waffle_", "constance_"]
        .iter()
        .any(|prefix| table.starts_with(prefix))
        || facts.of_catalog
}

/// Tables are made, changed or dropped, or a database is.
pub(super) fn is_migration(request: &Request) -> bool {
    request.groups.iter().any(|group| {
        let facts = &group.statement.facts;
        let ddl = matches!(facts.verb, Verb::Create | Verb::Alter | Verb::Drop);
        ddl || facts.table == "django_migrations"
    })
}

/// IN lists of several members are batches already; one member is an object at a time.
pub(super) fn is_batch(facts: &Facts, entries: &[&Entry]) -> bool {
    let arity = entries
        .iter()
        .map(|entry| entry.in_arity)
        .max()
        .unwrap_or(0);
    arity >= BATCH || (facts.equalities.is_empty() && arity > 1)
}

/// `LIMIT 21` with several rows is `repr()` of a query set or a slice: `get()` would have raised.
pub(super) fn is_slice(facts: &Facts, child: &Child<'_>) -> bool {
    facts.limit == Limit::TwentyOne && child.max_rows > 1
}

/// A loop that writes what it reads: `get_or_create()`, `save()` after a look, a validator before an INSERT,
/// a DELETE that collects its cascade by `IN (?)`.
pub(super) fn is_write_loop(request: &Request, facts: &Facts, queries: &[usize]) -> bool {
    let (Some(first), Some(last)) = (queries.first(), queries.last()) else {
        return false;
    };
    let cascade = facts.equalities.is_empty();
    let writes = |at: usize| {
        let group = request.entries.get(at)?;
        let group = request.groups.get(usize::from(group.group))?;
        let written = &group.statement.facts;
        let deletes = cascade && group.statement.text.starts_with("DELETE");
        Some(written.is_write() && (deletes || shares_table(written, facts)))
    };
    let inside = (*first..*last).any(|at| writes(at) == Some(true));
    let tail = if cascade { LOOP_TAIL } else { 1 };
    inside || (last + 1..=last + tail).any(|at| writes(at) == Some(true))
}
