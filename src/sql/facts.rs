//! What a normalised statement is about.

use super::cursor::{Cursor, items};
use super::statement;
use super::verb::{Class, Verb};

/// The name of a table or column. Nearly all are short enough to be kept in place, which saves most of what reading a
/// statement would allocate.
pub type Identifier = compact_str::CompactString;

/// A column as it stands in the text; `table` may be an alias or empty. Unquoted.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Column {
    /// Table or alias.
    pub table: Identifier,
    /// Column.
    pub name: Identifier,
}

/// `JOIN table ON (left = right)`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Join {
    /// The joined table (not its alias).
    pub table: Identifier,
    /// Left side of the first equality.
    pub left: Column,
    /// Right side of the first equality.
    pub right: Column,
}

/// The SELECT list in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Projection {
    /// Not a SELECT, or none of the below.
    #[default]
    Other,
    /// Only columns.
    Columns,
    /// `COUNT(*)` alone.
    Count,
    /// Only aggregates (`SUM`, `AVG`, `MIN`, `MAX`, `COUNT`…), no GROUP BY.
    Aggregate,
    /// A lone literal as `"a"`: Django's `exists()`.
    Exists,
}

/// The LIMIT clause in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Limit {
    /// None.
    #[default]
    None,
    /// `LIMIT 1`: `first()`, `last()`, `exists()`.
    One,
    /// `LIMIT 21`: Django's `get()` (`MAX_GET_RESULTS`) or `repr()` of a query set.
    TwentyOne,
    /// Any other.
    Other,
}

/// Facts of one normalised statement.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Facts {
    /// The command.
    pub verb: Verb,
    /// Whose statement it is.
    pub class: Class,
    /// The first table read or written, without its schema; empty where there is none.
    pub table: Identifier,
    /// All tables of FROM and JOIN, also of a derived table or WITH query in FROM, and of INSERT, UPDATE, DELETE; at
    /// most 16, each once.
    pub tables: Vec<Identifier>,
    /// Plain columns of the SELECT list (with `AS` ignored; `*` is a name), at most 128; SET columns of an UPDATE.
    pub columns: Vec<Column>,
    /// The SELECT list in a word.
    pub projection: Projection,
    /// Columns compared with `= ?` at the top level of WHERE, in order, at most 8.
    pub equalities: Vec<Column>,
    /// Where in [`super::Keys`] the values of `equalities` are; `None` beyond its end.
    pub equality_keys: Vec<Option<u8>>,
    /// First column compared with `IN (?)` at the top level of WHERE.
    pub in_column: Option<Column>,
    /// Where in [`super::Keys`] the first value of its list is.
    pub in_key: Option<u8>,
    /// WHERE has predicates beyond `equalities` and `in_column`.
    pub other_predicates: bool,
    /// Joins in order, at most 16.
    pub joins: Vec<Join>,
    /// LIMIT.
    pub limit: Limit,
    /// OFFSET present.
    pub offset: bool,
    /// ORDER BY present at the top level.
    pub order_by: bool,
    /// `ORDER BY RANDOM()`.
    pub random_order: bool,
    /// GROUP BY present at the top level.
    pub group_by: bool,
    /// `SELECT DISTINCT`.
    pub distinct: bool,
    /// `FOR UPDATE` or `FOR SHARE` and their kin.
    pub for_update: bool,
    /// `SKIP LOCKED`.
    pub skip_locked: bool,
    /// `"_prefetch_related_val_…"` in the SELECT list: Django's many-to-many prefetch.
    pub prefetch: bool,
    /// `COPY … FROM`: a COPY that writes.
    pub copy_from: bool,
    /// `WITH name AS (INSERT | UPDATE | DELETE | MERGE …)`: it writes, whatever its last statement is.
    pub with_write: bool,
    /// It names something by a schema of the system: `information_schema.` or `pg_catalog.`.
    pub of_catalog: bool,
}

impl Facts {
    /// Reads a normalised text. Unknown or odd SQL gives default facts, never an error.
    pub fn read(normalised: &str) -> Self {
        let items = items(normalised);
        let mut facts = Self::default();
        statement::read(Cursor::new(&items), &mut facts);
        facts.table = facts.tables.first().cloned().unwrap_or_default();
        facts.of_catalog =
            normalised.contains("information_schema.") || normalised.contains("pg_catalog.");
        facts
    }

    /// The statement's result is rows of a query: SELECT, TABLE, VALUES or a cursor's DECLARE.
    pub fn is_read(&self) -> bool {
        let query = matches!(
            self.verb,
            Verb::Select | Verb::Table | Verb::Values | Verb::Declare
        );
        query && !self.with_write
    }

    /// What a table holds may be another thing after the statement: it is no query, and names a table. CREATE, ALTER, DROP,
    /// LOCK, REFRESH and CALL as well as what changes rows.
    pub fn may_change_tables(&self) -> bool {
        let names_one = !self.table.is_empty() || !self.tables.is_empty();
        names_one && !self.is_read()
    }

    /// The statement changes rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE or `COPY … FROM`, or a query with one of
    /// the first four in its WITH.
    pub fn is_write(&self) -> bool {
        match self.verb {
            Verb::Insert | Verb::Update | Verb::Delete | Verb::Merge | Verb::Truncate => true,
            Verb::Copy => self.copy_from || self.with_write,
            Verb::Select | Verb::Table | Verb::Values => self.with_write,
            _ => false,
        }
    }
}
