//! Writes which index to look at, in Django's words: for statements that are slow or run all the time.

use super::names;
use crate::sql::Statement;

/// The fix of a slow statement.
pub(super) fn slow(statement: &Statement) -> String {
    let facts = &statement.facts;
    let mut fix = if facts.is_write() {
        "EXPLAIN (ANALYZE, BUFFERS) inside a transaction that is rolled back, since it runs the statement; it \
         may also have waited for a row lock"
            .to_owned()
    } else {
        "EXPLAIN (ANALYZE, BUFFERS) shows where the time goes".to_owned()
    };
    if facts.for_update {
        fix.push_str("; it may also have waited for a row lock: keep the other transactions short");
    }
    if let Some(fields) = index_fields(statement) {
        let quoted: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
        fix.push_str(&format!(
            "; check with it whether Meta.indexes = [models.Index(fields=[{}])] on {} helps",
            quoted.join(", "),
            facts.table
        ));
    }
    fix
}

/// The fix of a SELECT that runs all the time; `None` where an index of Django's own serves it.
pub(super) fn hot(statement: &Statement) -> Option<String> {
    let facts = &statement.facts;
    if let Some(fields) = index_fields(statement) {
        let quoted: Vec<String> = fields.iter().map(|field| format!("\"{field}\"")).collect();
        return Some(format!(
            "check with EXPLAIN whether Meta.indexes = [models.Index(fields=[{}])] on {} helps, or \
             cache.get_or_set(…) where it may be a little old",
            quoted.join(", "),
            facts.table
        ));
    }
    let reads_all = facts.equalities.is_empty()
        && facts.in_column.is_none()
        && !facts.other_predicates
        && facts.limit == crate::sql::Limit::None;
    reads_all.then(|| {
        format!(
            "cache.get_or_set(…): it reads all of {} each time",
            facts.table
        )
    })
}

/// Columns of an index for this statement: equalities, then the first column of the order. `None` where Django
/// has made one already: a primary key, or a foreign key alone (`ForeignKey` has `db_index=True`).
fn index_fields(statement: &Statement) -> Option<Vec<String>> {
    let facts = &statement.facts;
    let own = |table: &str| table.is_empty() || table == facts.table;
    let mut columns: Vec<&str> = Vec::new();
    for column in &facts.equalities {
        if own(&column.table) && !columns.contains(&column.name.as_str()) {
            columns.push(&column.name);
        }
    }
    if columns.contains(&"id") {
        return None;
    }
    let order = order_column(statement)
        .filter(|(_, column, _)| *column != "id" && !columns.contains(column))
        .filter(|(table, _, _)| own(table));
    if columns.is_empty() && facts.limit == crate::sql::Limit::None {
        // Without a predicate or a LIMIT all rows are read, index or not.
        return None;
    }
    let indexed = matches!(columns.as_slice(), [column] if names::field(column).is_some());
    if order.is_none() && (columns.is_empty() || indexed) {
        return None;
    }
    let equal = columns
        .iter()
        .map(|column| names::lookup(column).to_owned());
    let ordered = order.map(|(_, column, descending)| {
        format!(
            "{}{}",
            if descending { "-" } else { "" },
            names::lookup(column)
        )
    });
    Some(equal.chain(ordered).collect())
}

/// Table, column and direction of a statement's last `ORDER BY "table"."column"`.
fn order_column(statement: &Statement) -> Option<(&str, &str, bool)> {
    if !statement.facts.order_by {
        return None;
    }
    let (_, order) = statement.text.rsplit_once("ORDER BY \"")?;
    let (first, rest) = order.split_once('"')?;
    let (table, column, rest) = match rest.strip_prefix(".\"") {
        Some(rest) => {
            let (column, rest) = rest.split_once('"')?;
            (first, column, rest)
        }
        None => ("", first, rest),
    };
    Some((table, column, rest.starts_with(" DESC")))
}
