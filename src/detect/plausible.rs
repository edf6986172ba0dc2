//! Which column of an earlier result can be what a repeated query asks for.
//!
//! Numbers agree by chance: ids of two tables are both 1, 2, 3. So names and keys must allow it: a primary key is asked
//! for by a foreign key's values, a foreign key by a primary key's or by its own. A primary key is never asked for by
//! that of another table.

use super::names::{self, Fit as Name};
use super::relation::{is_own, is_primary_key, through};
use crate::request::{Request, Stream};
use crate::session::RowShape;
use crate::sql::{Column, Facts};

/// How far names speak for a match, and what the values must show for themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Fit {
    name: Name,
    /// Where the list's values rise from row to row, the percentage of the rows on the way that must be asked for: a
    /// loop over other ids passes most of them over.
    density: usize,
}

impl Fit {
    fn new(name: Name, density: usize) -> Self {
        Self { name, density }
    }

    /// Percentage of rising rows that must be asked for; over 100: they prove nothing.
    pub fn density(self) -> usize {
        self.density
    }

    /// No name speaks for it.
    pub fn is_weak(self) -> bool {
        self.name == Name::None
    }
}

/// The columns whose values a statement asks for, in the order of `Entry::keys`.
pub(super) fn keys(facts: &Facts) -> impl Iterator<Item = &Column> {
    let lone = facts
        .in_column
        .iter()
        .filter(|_| facts.equalities.is_empty());
    facts.equalities.iter().chain(lone)
}

/// The column behind one of a result: its name, and the table or alias that the SELECT list gives it.
pub(super) struct Source<'a> {
    /// Table or alias, as the SELECT list has it.
    pub alias: &'a str,
    /// Name of the column itself, whatever the result calls it.
    pub name: &'a str,
}

/// Where a column of a result comes from; `None` where the statement does not say.
pub(super) fn source<'a>(
    facts: &'a Facts,
    shape: &'a RowShape,
    index: usize,
) -> Option<Source<'a>> {
    let column = shape.columns.get(index)?;
    let of = |listed: &'a Column| Source {
        alias: if listed.table.is_empty() {
            &facts.table
        } else {
            &listed.table
        },
        name: &listed.name,
    };
    if facts.columns.len() == shape.columns.len() {
        return facts.columns.get(index).map(of);
    }
    // Expressions stand between the columns: the second `id` of the result is the second `id` of the list.
    let before = shape.columns.get(..index)?;
    let same = before
        .iter()
        .filter(|other| other.name == column.name)
        .count();
    let mut listed = facts
        .columns
        .iter()
        .filter(|listed| *listed.name == *column.name);
    match listed.nth(same) {
        Some(listed) => Some(of(listed)),
        // `SELECT *` of one table.
        None if facts.joins.is_empty() => Some(Source {
            alias: &facts.table,
            name: &column.name,
        }),
        None => None,
    }
}

/// Whether the values of a watched column can be what `key` of a statement asks for.
pub(super) fn check(
    request: &Request,
    child: &Facts,
    key: &Column,
    stream: &Stream,
    watched: usize,
) -> Option<Fit> {
    let parent = &request
        .groups
        .get(usize::from(stream.group))?
        .statement
        .facts;
    let index = usize::from(*stream.shape.watched.get(watched)?);
    let column = stream.shape.columns.get(index)?;
    let source = source(parent, &stream.shape, index);
    let name = source.as_ref().map_or(&*column.name, |source| source.name);
    let table = match stream.tables.get(watched) {
        Some(Some(table)) => table,
        _ => source.map_or(parent.table.as_str(), |source| {
            real_table(parent, source.alias)
        }),
    };
    if names::is_content_type(name) || names::is_content_type(&key.name) {
        return None;
    }
    let pair = Pair {
        request,
        child,
        key,
        parent,
        name,
        table,
        is_pk: column.attribute == 1 || name == "id",
        is_text: column.is_text(),
    };
    match pair.catalog() {
        Some(Verdict::Confirmed(fit)) => Some(fit),
        // Two columns may still refer to the same third one.
        Some(Verdict::Refuted) => pair.alike(),
        None => (pair.forward())
            .or_else(|| pair.backward())
            .or_else(|| pair.alike())
            .or_else(|| pair.unnamed()),
    }
}

/// The table behind a name in the SELECT list: Django writes an alias (`T3`) for a table's second use.
pub(super) fn real_table<'a>(facts: &'a Facts, alias: &'a str) -> &'a str {
    if alias == facts.table || facts.tables.iter().any(|table| table == alias) {
        return alias;
    }
    (facts.joins.iter())
        .find(|join| join.right.table == alias || join.left.table == alias)
        .map_or(alias, |join| join.table.as_str())
}

/// A key of a repeated statement and a column of an earlier result.
struct Pair<'a> {
    request: &'a Request,
    child: &'a Facts,
    key: &'a Column,
    parent: &'a Facts,
    name: &'a str,
    table: &'a str,
    is_pk: bool,
    /// It holds short texts.
    is_text: bool,
}

/// What the server's catalog says of a pair.
enum Verdict {
    Confirmed(Fit),
    Refuted,
}

impl Pair<'_> {
    /// One of the two columns refers to the other, or to something else; `None` where nobody asked the server, or it has no
    /// foreign key on either.
    fn catalog(&self) -> Option<Verdict> {
        let known = self.request.foreign_keys.as_ref()?;
        let asked = if self.key.table.is_empty() {
            &*self.child.table
        } else {
            real_table(self.child, &self.key.table)
        };
        let (key, name, table) = (&*self.key.name, self.name, self.table);
        let forward = known.confirms(table, name, asked, key);
        let backward = known.confirms(asked, key, table, name);
        if forward == Some(true) {
            return Some(Verdict::Confirmed(Fit::new(Name::Exact, 50)));
        }
        if backward == Some(true) {
            return Some(Verdict::Confirmed(Fit::new(Name::Exact, 20)));
        }
        // The key of a child model is the foreign key to its parent: both may refer to the same row.
        let same = known.target(table, name).is_some()
            && known.target(table, name) == known.target(asked, key);
        let refuted = forward == Some(false) || backward == Some(false);
        (refuted && !same).then_some(Verdict::Refuted)
    }

    fn asks_for_primary_key(&self) -> bool {
        is_own(self.child, self.key) && is_primary_key(self.child, self.key)
    }

    /// Another statement of the request reads the table that `field` is named after.
    fn leads_elsewhere(&self, field: &str, but: &str) -> bool {
        let tables = self
            .request
            .groups
            .iter()
            .map(|group| &group.statement.facts.table);
        let mut others = tables.filter(|table| *table != but);
        let squashed = names::squash(field);
        others.any(|table| names::is_exact(&squashed, table))
    }

    /// A foreign key of the list asks for the primary key, or the unique column (`to_field`), that it refers to.
    fn forward(&self) -> Option<Fit> {
        if names::is_object_id(self.name) {
            let generic = self
                .parent
                .columns
                .iter()
                .any(|column| names::is_content_type(&column.name));
            return (generic && self.asks_for_primary_key()).then(|| Fit::new(Name::Near, 50));
        }
        let field = names::field(self.name)?;
        if !is_own(self.child, self.key) {
            return None;
        }
        let tree = field == "parent" && self.table == self.child.table;
        let fit = if tree {
            Name::Exact
        } else {
            names::fit(field, &self.child.table)
        };
        let to_field = !self.asks_for_primary_key();
        if to_field && (fit < Name::Near || names::field(&self.key.name).is_some()) {
            return None;
        }
        if fit < Name::Exact && self.leads_elsewhere(field, &self.child.table) {
            return None;
        }
        Some(match fit {
            Name::Exact => Fit::new(fit, 50),
            Name::Near | Name::Role => Fit::new(fit, 80),
            Name::None => Fit::new(fit, 101),
        })
    }

    /// A primary key of the list asks for the rows that refer to it.
    fn backward(&self) -> Option<Fit> {
        // Another unique column (`to_field`) holds texts; numbers would agree by chance.
        let unique = self.is_text && names::field(self.name).is_none();
        if !self.is_pk && !unique {
            return None;
        }
        if names::is_object_id(&self.key.name) {
            return Some(Fit::new(Name::Near, 50));
        }
        let field = names::field(&self.key.name)?;
        let through = through(self.child, self.key);
        if !is_own(self.child, self.key) && through.is_none() {
            return None;
        }
        let of_relation = |through: &str| {
            through
                .strip_prefix(self.table)
                .is_some_and(|rest| rest.starts_with('_'))
        };
        let tree = field == "parent" && self.table == self.child.table;
        let counted = through.is_none()
            && of_relation(&self.child.table)
            && names::fit(field, self.table) != Name::None;
        let fit = if tree || counted || through.is_some_and(of_relation) {
            Name::Exact
        } else {
            names::fit(field, self.table)
        };
        if fit < Name::Exact && self.leads_elsewhere(field, self.table) {
            return None;
        }
        if !self.is_pk && fit < Name::Exact {
            return None;
        }
        Some(match fit {
            Name::Exact => Fit::new(fit, 20),
            Name::Near | Name::Role => Fit::new(fit, 50),
            Name::None => Fit::new(fit, 80),
        })
    }

    /// The same column: rows of one table by their primary keys, or two tables by the foreign key that both have.
    fn alike(&self) -> Option<Fit> {
        let same_table = self.table == self.child.table && is_own(self.child, self.key);
        if self.is_pk && same_table && self.name == self.key.name {
            return Some(Fit::new(Name::Exact, 50));
        }
        let shared = self.name == self.key.name && !self.is_pk;
        (shared && self.name != "id").then(|| Fit::new(Name::Near, 80))
    }

    /// A foreign key that is not called so (`db_column`): only its values can speak for it.
    fn unnamed(&self) -> Option<Fit> {
        let plain = !self.is_pk && names::field(self.name).is_none();
        (plain && self.asks_for_primary_key()).then(|| Fit::new(Name::None, 101))
    }
}
