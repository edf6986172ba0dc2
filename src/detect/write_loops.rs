//! Statements that change a row at a time, in a loop: what the detectors of such loops have in common.

use super::guards::is_system;
use super::names;
use super::runs::Runs;
use super::{Cause, Evidence, Finding, Severity};
use crate::request::{Boundary, Confidence, Entry, Group, Request};
use crate::sql::{Facts, Limit, Verb};

/// Queries between two turns of a loop, at most: as in the patterns of [`Runs`].
const BODY: usize = 8;

/// A write that repeats.
pub(super) struct WriteLoop<'a> {
    /// Its statement.
    pub group: &'a Group,
    /// Its queries, as ascending indices into the entries.
    pub queries: Vec<usize>,
    /// Calls, also those beyond the entries.
    pub calls: u32,
    /// Their durations, ns.
    pub nanos: u64,
}

/// A query and its statement.
pub(super) fn query(request: &Request, at: usize) -> Option<(&Entry, &Group)> {
    let entry = request.entries.get(at)?;
    Some((entry, request.groups.get(usize::from(entry.group))?))
}

/// Loops of writes: `min_calls` queries or more of a statement that `is_accused`, with nothing but reads in between or
/// as part of a pattern. Only queries that pass `is_turn` count.
pub(super) fn search<'a>(
    request: &'a Request,
    min_calls: u32,
    is_accused: impl Fn(&Group) -> bool,
    is_turn: impl Fn(usize, &Entry) -> bool,
) -> Vec<WriteLoop<'a>> {
    let suspects: Vec<usize> = (request.groups.iter().enumerate())
        .filter(|(_, group)| {
            let write = group.calls >= min_calls && group.statement.facts.is_write();
            write && !is_system(group) && is_accused(group)
        })
        .map(|(index, _)| index)
        .collect();
    if suspects.is_empty() {
        return Vec::new();
    }
    let least = min_calls as usize;
    let runs = Runs::search(request, least);
    let loops = suspects.into_iter().filter_map(|index| {
        let turns = (runs.positions(index).iter().copied()).filter(|at| {
            let entry = request.entries.get(*at);
            entry.is_some_and(|entry| !entry.failed && is_turn(*at, entry))
        });
        let goes_on = |last, at| {
            let pattern = runs.repeats(last) && runs.repeats(at);
            (pattern || is_body(request, last, at)) && is_near(request, last, at)
        };
        let queries = stretches(turns, least, goes_on);
        let group = request.groups.get(index)?;
        let (calls, nanos) = if queries.len() == runs.positions(index).len() {
            (group.calls, group.nanos)
        } else {
            let entries = queries.iter().filter_map(|at| request.entries.get(*at));
            let nanos = entries.map(|entry| entry.nanos).sum();
            (u32::try_from(queries.len()).unwrap_or(u32::MAX), nanos)
        };
        (!queries.is_empty()).then_some(WriteLoop {
            group,
            queries,
            calls,
            nanos,
        })
    });
    loops.collect()
}

/// Those of ascending queries that stand in a stretch of at least `least`, each of which goes on the one before.
pub(super) fn stretches(
    queries: impl Iterator<Item = usize>,
    least: usize,
    goes_on: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let (mut kept, mut start) = (Vec::<usize>::new(), 0);
    for at in queries {
        let last = kept[start..].last().copied();
        if last.is_some_and(|last| !goes_on(last, at)) {
            if kept.len() - start < least {
                kept.truncate(start);
            }
            start = kept.len();
        }
        kept.push(at);
    }
    if kept.len() - start < least {
        kept.truncate(start);
    }
    kept
}

/// Two queries are one loop body apart and surely of one request: where its limits are a guess, of one transaction; where
/// idle time parts requests, also one right behind the other.
pub(super) fn is_near(request: &Request, last: usize, at: usize) -> bool {
    if at - last > BODY {
        return false;
    }
    if request.boundary.confidence() >= Confidence::Medium {
        return true;
    }
    if request.boundary == Boundary::Gap && at == last + 1 {
        return true;
    }
    let (Some(last), Some(at)) = (request.entries.get(last), request.entries.get(at)) else {
        return false;
    };
    (request.transactions.iter())
        .any(|block| block.began <= last.started && at.started <= block.ended)
}

/// What stands between two turns of a write is of their loop: reads and, between two DELETEs, what their cascade
/// deletes and sets to NULL.
fn is_body(request: &Request, last: usize, at: usize) -> bool {
    let verb = |at| query(request, at).map(|(_, group)| group.statement.facts.verb);
    let cascade = verb(at) == Some(Verb::Delete);
    (last + 1..at).all(|between| {
        query(request, between).is_some_and(|(_, group)| {
            let facts = &group.statement.facts;
            facts.is_read() || cascade && matches!(facts.verb, Verb::Delete | Verb::Update)
        })
    })
}

/// `get()` by the value of a column.
pub(super) fn is_get(facts: &Facts) -> bool {
    facts.is_read()
        && facts.limit == Limit::TwentyOne
        && !facts.order_by
        && !facts.offset
        && !facts.equalities.is_empty()
}

/// The write of a `get_or_create()` or `update_or_create()`: an INSERT after a `get()` that found nothing, an UPDATE
/// after one that locked.
pub(super) fn is_upsert(request: &Request, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| query(request, before));
    let (Some((read, before)), Some((_, group))) = (before, query(request, at)) else {
        return false;
    };
    let (asked, written) = (&before.statement.facts, &group.statement.facts);
    let found = match written.verb {
        Verb::Insert => read.rows == 0,
        Verb::Update => asked.for_update && read.rows == 1,
        _ => false,
    };
    found && is_get(asked) && asked.table == written.table
}

/// The write of a row that was locked right before it: a queue, or row by row on purpose.
pub(super) fn is_locked(request: &Request, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| query(request, before));
    let (Some((_, before)), Some((_, group))) = (before, query(request, at)) else {
        return false;
    };
    let (asked, written) = (&before.statement.facts, &group.statement.facts);
    asked.for_update && asked.table == written.table
}

/// How many rows these queries were about: the values of their first key.
pub(super) fn distinct_keys(request: &Request, queries: &[usize]) -> usize {
    let mut keys: Vec<u32> = (queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .map(|entry| entry.keys[0])
        .filter(|key| *key != 0)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

/// Whether a column is its table's key rather than a foreign key, as far as its name tells.
pub(super) fn is_key(column: &str) -> bool {
    names::field(column).is_none() || column.ends_with("_ptr_id")
}

/// The columns of a normalised INSERT.
pub(super) fn inserted(text: &str) -> impl Iterator<Item = &str> {
    let list = text
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(list, _)| list);
    list.split(", ").map(|column| column.trim_matches('"'))
}

/// An INSERT into the table of a many-to-many field, as `add()` writes it: two foreign keys.
pub(super) fn is_link(group: &Group) -> bool {
    let text = &group.statement.text;
    group.statement.facts.verb == Verb::Insert
        && text.contains("ON CONFLICT DO NOTHING")
        && inserted(text).count() == 2
        && inserted(text).all(|column| column.ends_with("_id"))
}

/// An INSERT of one row, by VALUES. `bulk_create()` has several rows, or UNNEST.
pub(super) fn is_single_row(group: &Group, entry: &Entry) -> bool {
    let text = &group.statement.text;
    entry.values_rows <= 1 && text.contains(") VALUES (") && !text.contains("), (")
}

/// Name to write in `filter()`: `pk` for `id`.
pub(super) fn lookup(column: &str) -> &str {
    match column {
        "id" => "pk",
        column => names::lookup(column),
    }
}

impl WriteLoop<'_> {
    /// What is reported of it.
    pub fn finding(&self, detector: &'static str, request: &Request, fix: String) -> Finding {
        let statement = &self.group.statement;
        Finding {
            cause: Cause {
                detector,
                route: request.route.clone(),
                parent: None,
                fingerprint: Some(statement.fingerprint),
            },
            severity: Severity::Warning,
            evidence: Evidence::Run,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix,
            query: statement.text.clone(),
            count: self.calls,
            wasted_seconds: super::wasted_seconds(self.nanos, self.calls),
        }
    }
}

/// Refuses a `min_calls` that makes a loop of one query.
pub(super) fn validate_min_calls(detector: &str, min_calls: u32) -> Result<(), String> {
    if min_calls < 2 {
        return Err(format!(
            "detectors.{detector}.min_calls = {min_calls}: one query is no loop; write 2 or more"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_shorter_than_the_least_are_left_out() {
        let kept = |positions: &[usize]| {
            stretches(positions.iter().copied(), 3, |last, at| at - last <= 2)
        };
        assert_eq!(kept(&[1, 2, 9, 10, 12, 20]), [9, 10, 12]);
        assert_eq!(kept(&[1, 2, 3, 9, 20, 21, 22]), [1, 2, 3, 20, 21, 22]);
        assert_eq!(kept(&[1, 2]), [0; 0]);
        assert_eq!(kept(&[]), [0; 0]);
    }

    #[test]
    fn columns_of_an_insert_are_read_from_its_text() {
        let text = "INSERT INTO \"lib_book_tags\" (\"book_id\", \"tag_id\") VALUES (?)";
        assert!(inserted(text).eq(["book_id", "tag_id"]));
    }
}
