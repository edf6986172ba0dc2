//! What RowDescription says of the rows that follow.

use crate::sql::random_seed;
use crate::wire::Reader;
use std::cell::RefCell;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Columns of a row that are compared with later queries, at most.
pub const MAX_WATCHED: usize = 8;
/// Places for shapes that were read, of all sessions of a thread. The longest description that is looked at makes a
/// shape of 45 KB, one of 20 columns one of 1 KB.
const PLACES: usize = 128;
/// Statements of a session whose shapes are remembered.
const REMEMBERED: usize = 16;
/// Longest text that can be a key, as declared: `varchar(36)` holds a uuid.
const LONGEST_KEY: i32 = 64;

/// A column of a result (`RowDescription` in the manual's "Message Formats").
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowColumn {
    /// Name in the result: the column's own or its alias.
    pub name: Box<str>,
    /// OID of the table that it comes from; 0 where it is computed.
    pub table: u32,
    /// Its number in that table, counted from 1; 0 where it is computed.
    pub attribute: i16,
    /// OID of its type.
    pub type_oid: u32,
    /// Sent in binary.
    pub binary: bool,
}

impl RowColumn {
    /// `text`, `char(n)` or `varchar(n)` that is short enough for a key.
    pub fn is_text(&self) -> bool {
        matches!(self.type_oid, 25 | 1042 | 1043)
    }
}

/// The columns of a result.
#[derive(PartialEq, Eq, Debug, Default)]
pub struct RowShape {
    /// All, in order, as far as the description was read.
    pub columns: Vec<RowColumn>,
    /// Indices of those whose values are compared with later queries, in order: integers, uuids and short texts,
    /// keys by their names first; at most [`MAX_WATCHED`].
    pub watched: Vec<u16>,
}

impl RowShape {
    /// Reads the body of a RowDescription, whole or cut.
    pub fn read(body: &[u8]) -> Self {
        let mut reader = Reader::new(body);
        reader.u16();
        let mut shape = Self::default();
        while let Some(column) = column(&mut reader) {
            shape.columns.push(column);
        }
        shape.watched = watched(&shape.columns);
        shape
    }
}

fn column(reader: &mut Reader<'_>) -> Option<RowColumn> {
    let name = String::from_utf8_lossy(reader.cstr()?).into();
    let table = reader.i32()? as u32;
    let attribute = reader.u16()? as i16;
    let type_oid = reader.i32()? as u32;
    reader.u16()?;
    let modifier = reader.i32()?;
    let binary = reader.u16()? == 1;
    // `varchar(200)` is no key; its modifier counts four bytes more (`src/backend/utils/adt/varchar.c`).
    let long = matches!(type_oid, 1042 | 1043) && modifier > LONGEST_KEY + 4;
    Some(RowColumn {
        name,
        table,
        attribute,
        type_oid: if long { 0 } else { type_oid },
        binary,
    })
}

/// Which columns may hold what later queries ask for.
fn watched(columns: &[RowColumn]) -> Vec<u16> {
    let number = |column: &RowColumn| matches!(column.type_oid, 20 | 21 | 23 | 26 | 2950);
    let key = |column: &RowColumn| {
        let name = &*column.name;
        column.attribute == 1
            || matches!(name, "id" | "pk" | "oid")
            // What a foreign key may refer to instead of the primary key (`to_field`).
            || matches!(name, "slug" | "code" | "key" | "sku" | "uuid" | "username")
            || ["_id", "_pk", "_oid"].iter().any(|end| name.ends_with(end))
    };
    let by = |test: &dyn Fn(&RowColumn) -> bool| {
        let indices = (0..columns.len()).filter(|index| test(&columns[*index]));
        indices.collect::<Vec<_>>()
    };
    let mut chosen = by(&|column| key(column) && (number(column) || column.is_text()));
    // A foreign key may have any name (`db_column`).
    chosen.extend(by(&|column| !key(column) && number(column)));
    chosen.truncate(MAX_WATCHED);
    chosen.sort_unstable();
    let small = chosen.into_iter().map(u16::try_from);
    small.filter_map(Result::ok).collect()
}

/// Shapes that were read, so that a description which comes again is not read again. One table serves all sessions of
/// a thread: Django's workers get the same results, and what many sessions use is in the processor's caches. It changes no
/// result.
struct Read {
    /// A hash stands for a description: nobody is to make another one of the same hash.
    seed: u64,
    places: Vec<Option<(u64, Arc<RowShape>)>>,
}

thread_local! {
    static READ: RefCell<Read> = RefCell::default();
}

impl Default for Read {
    fn default() -> Self {
        Self {
            seed: random_seed(),
            places: vec![None; PLACES],
        }
    }
}

impl Read {
    fn shape(&mut self, body: &[u8]) -> Arc<RowShape> {
        let hash = xxh3_64_with_seed(body, self.seed);
        let place = &mut self.places[hash as usize % PLACES];
        match place {
            Some((known, shape)) if *known == hash => Arc::clone(shape),
            _ => {
                let shape = Arc::new(RowShape::read(body));
                *place = Some((hash, Arc::clone(&shape)));
                shape
            }
        }
    }
}

/// The shape that a description, whole or cut, tells.
pub(super) fn described(body: &[u8]) -> Arc<RowShape> {
    READ.with_borrow_mut(|read| read.shape(body))
}

/// The shapes of a session's statements, as they were last described.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    of_statements: Vec<(u64, Arc<RowShape>)>,
    oldest: usize,
}

impl Shapes {
    /// A statement was described.
    pub fn describes(&mut self, statement: u64, shape: &Arc<RowShape>) {
        let known = self
            .of_statements
            .iter_mut()
            .find(|(known, _)| *known == statement);
        match known {
            Some((_, known)) if Arc::ptr_eq(known, shape) => {}
            Some((_, known)) => *known = Arc::clone(shape),
            None => {
                let entry = (statement, Arc::clone(shape));
                if self.of_statements.len() < REMEMBERED {
                    return self.of_statements.push(entry);
                }
                self.of_statements[self.oldest] = entry;
                self.oldest = (self.oldest + 1) % REMEMBERED;
            }
        }
    }

    /// The shape that a statement was last described to have.
    pub fn of(&self, statement: u64) -> Option<&Arc<RowShape>> {
        let mut known = self.of_statements.iter();
        known
            .find(|(known, _)| *known == statement)
            .map(|(_, shape)| shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, attribute: i16, type_oid: i32, modifier: i32) -> Vec<u8> {
        let mut field = [name.as_bytes(), b"\0"].concat();
        field.extend(16_001_i32.to_be_bytes());
        field.extend(attribute.to_be_bytes());
        field.extend(type_oid.to_be_bytes());
        field.extend((-1_i16).to_be_bytes());
        field.extend(modifier.to_be_bytes());
        field.extend(0_i16.to_be_bytes());
        field
    }

    fn description(fields: &[Vec<u8>]) -> Vec<u8> {
        let mut body = (fields.len() as u16).to_be_bytes().to_vec();
        body.extend(fields.concat());
        body
    }

    fn watched_names(fields: &[Vec<u8>]) -> Vec<String> {
        let shape = RowShape::read(&description(fields));
        let names = shape
            .watched
            .iter()
            .map(|at| shape.columns[usize::from(*at)].name.to_string());
        names.collect()
    }

    #[test]
    fn keys_are_watched_and_prose_is_not() {
        let fields = [
            field("id", 1, 20, -1),
            field("title", 2, 1043, 204),
            field("price", 3, 1700, -1),
            field("pages", 4, 23, -1),
            field("author_id", 5, 20, -1),
            field("country_id", 6, 1043, 6),
        ];
        assert_eq!(
            watched_names(&fields),
            ["id", "pages", "author_id", "country_id"]
        );
        let code = [field("code", 1, 1043, 14), field("name", 2, 1043, 104)];
        assert_eq!(watched_names(&code), ["code"]);
    }

    #[test]
    fn of_many_columns_the_keys_win() {
        let mut fields: Vec<_> = (2..20).map(|at| field("count", at, 23, -1)).collect();
        fields.push(field("author_id", 20, 23, -1));
        let names = watched_names(&fields);
        assert_eq!(names.len(), MAX_WATCHED);
        assert!(names.iter().any(|name| name == "author_id"));
    }

    #[test]
    fn a_description_that_is_cut_gives_the_columns_that_are_whole() {
        let body = description(&[field("id", 1, 20, -1), field("author_id", 5, 20, -1)]);
        for end in 0..body.len() {
            let columns = RowShape::read(&body[..end]).columns.len();
            assert_eq!(columns, usize::from(end >= 2 + 21), "cut at {end}");
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut shapes = Shapes::default();
        for number in 0..100_u64 {
            let name = format!("c{number}");
            let shape = described(&description(&[field(&name, 1, 20, -1)]));
            shapes.describes(number, &shape);
        }
        assert!(shapes.of(99).is_some() && shapes.of(0).is_none());
        assert_eq!(shapes.of_statements.len(), REMEMBERED);
    }

    #[test]
    fn the_same_description_is_the_same_shape_and_another_is_not() {
        for number in 0..1000 {
            let body = |at: u32| description(&[field(&format!("c{at}"), 1, 20, -1)]);
            let shape = described(&body(number));
            assert_eq!(*shape.columns[0].name, format!("c{number}"));
            assert!(Arc::ptr_eq(&shape, &described(&body(number))));
            assert_ne!(shape, described(&body(number + 1)));
        }
    }
}
