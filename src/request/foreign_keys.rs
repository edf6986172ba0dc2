//! The foreign keys of a database, as the server's catalog has them.

use std::collections::HashMap;

/// Most foreign keys of a database that are kept; of further ones nothing is known.
const MAX_KEYS: usize = 5000;

/// Where a column of a table refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Target {
    /// This column of this table.
    One(Box<str>, Box<str>),
    /// Tables of one name in several schemas differ: nothing can be said.
    Several,
}

/// Foreign keys of one column, by table and column. Bounded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForeignKeys {
    keys: HashMap<(Box<str>, Box<str>), Target>,
}

impl ForeignKeys {
    /// Adds `child_table.child_column REFERENCES parent_table (parent_column)`.
    pub fn add(&mut self, child: (&str, &str), parent: (&str, &str)) {
        let key = (child.0.into(), child.1.into());
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&key) {
            return;
        }
        let target = Target::One(parent.0.into(), parent.1.into());
        let known = self.keys.entry(key).or_insert_with(|| target.clone());
        if *known != target {
            *known = Target::Several;
        }
    }

    /// How many columns are known.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// None is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the child's column refers to the parent's: `Some(false)` where it refers to another one, `None` where the
    /// catalog has no foreign key on it (Django's `db_constraint=False`), or several of that name.
    pub fn confirms(
        &self,
        child_table: &str,
        child_column: &str,
        parent_table: &str,
        parent_column: &str,
    ) -> Option<bool> {
        let (table, column) = self.target(child_table, child_column)?;
        Some(table == parent_table && column == parent_column)
    }

    /// The table and the column that a column refers to.
    pub fn target(&self, child_table: &str, child_column: &str) -> Option<(&str, &str)> {
        // Asked when a request closes, not on the way of a query.
        match self.keys.get(&(child_table.into(), child_column.into()))? {
            Target::One(table, column) => Some((table, column)),
            Target::Several => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_confirmed_refuted_or_unknown() {
        let mut keys = ForeignKeys::default();
        keys.add(("book", "author_id"), ("author", "id"));
        let asked = |child, parent| keys.confirms("book", child, parent, "id");
        assert_eq!(asked("author_id", "author"), Some(true));
        assert_eq!(asked("author_id", "publisher"), Some(false));
        assert_eq!(asked("publisher_id", "publisher"), None);
    }

    #[test]
    fn tables_of_one_name_that_differ_say_nothing() {
        let mut keys = ForeignKeys::default();
        keys.add(("book", "owner_id"), ("user", "id"));
        keys.add(("book", "owner_id"), ("user", "id"));
        assert_eq!(keys.confirms("book", "owner_id", "user", "id"), Some(true));
        keys.add(("book", "owner_id"), ("team", "id"));
        assert_eq!(keys.confirms("book", "owner_id", "user", "id"), None);
    }

    #[test]
    fn the_catalog_is_bounded() {
        let mut keys = ForeignKeys::default();
        for number in 0..=MAX_KEYS {
            keys.add((&format!("t{number}"), "a_id"), ("a", "id"));
        }
        assert_eq!(keys.len(), MAX_KEYS);
    }
}
