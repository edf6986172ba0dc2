//! Builders for tests: Django's statements, and requests made of them.

use crate::request::{Boundary, Entry, Group, Kind, Request};
use crate::session::{At, RowColumn, RowShape, Widest};
use crate::sql::{Column, Facts, Fingerprint, Join, Limit, Projection, Statement, Verb};
use std::sync::Arc;

/// A statement as Django writes it, with the facts that go with it.
#[derive(Clone)]
pub(super) struct Sql {
    pub(super) facts: Facts,
    order: &'static str,
    function: String,
    arity: u32,
}

fn column(table: &str, name: &str) -> Column {
    Column {
        table: table.into(),
        name: name.into(),
    }
}

fn select(table: &str, projection: Projection) -> Sql {
    Sql {
        facts: Facts {
            verb: Verb::Select,
            table: table.into(),
            tables: vec![table.into()],
            projection,
            ..Facts::default()
        },
        order: "",
        function: String::new(),
        arity: 0,
    }
}

/// `Model.objects.all()`.
pub(super) fn list(table: &str, columns: &[&str]) -> Sql {
    let mut sql = select(table, Projection::Columns);
    sql.facts.columns = columns.iter().map(|name| column(table, name)).collect();
    sql
}

/// `Model.objects.get(pk=…)`, and access to a foreign key.
pub(super) fn get(table: &str) -> Sql {
    get_by(table, "id")
}

/// `Model.objects.get(column=…)`, and access to a reverse one-to-one relation.
pub(super) fn get_by(table: &str, by: &str) -> Sql {
    filter(table, by).limit(Limit::TwentyOne)
}

/// `Model.objects.filter(column=…)`, and a reverse foreign key.
pub(super) fn filter(table: &str, by: &str) -> Sql {
    let sql = list(table, &["id", "name", "note"]).and(by);
    if sql.facts.columns.iter().any(|c| c.name == by) {
        sql
    } else {
        sql.reads(table, by)
    }
}

/// `Model.objects.filter(column__in=…)` with `arity` members, and a prefetch.
pub(super) fn filter_in(table: &str, by: &str, arity: u32) -> Sql {
    let mut sql = list(table, &["id", "name", "note"]);
    sql.facts.in_column = Some(column(table, by));
    sql.facts.in_key = Some(0);
    sql.arity = arity;
    sql
}

/// `filter(column=…).count()`.
pub(super) fn count(table: &str, by: &str) -> Sql {
    count_all(table).and(by)
}

/// `Model.objects.count()`.
pub(super) fn count_all(table: &str) -> Sql {
    select(table, Projection::Count)
}

/// `filter(column=…).aggregate(Sum("of"))`.
pub(super) fn sum(table: &str, of: &str, by: &str) -> Sql {
    let mut sql = select(table, Projection::Aggregate).and(by);
    sql.function = format!("SUM(\"{table}\".\"{of}\") AS \"{of}__sum\"");
    sql
}

/// `filter(column=…).exists()`.
pub(super) fn exists(table: &str, by: &str) -> Sql {
    select(table, Projection::Exists).and(by).limit(Limit::One)
}

/// `tag.book_set.all()` and `book.tags.all()`: `table` through `through`.
pub(super) fn related(table: &str, through: &str, far: &str, by: &str) -> Sql {
    list(table, &["id", "name"]).through(through, far, by)
}

/// `Model.objects.create(…)`.
pub(super) fn insert(table: &str) -> Sql {
    write(table, Verb::Insert)
}

/// `instance.save()`.
pub(super) fn update(table: &str) -> Sql {
    write(table, Verb::Update).and("id")
}

/// `CREATE DATABASE`.
pub(super) fn create(database: &str) -> Sql {
    write(database, Verb::Create)
}

/// `instance.delete()`.
pub(super) fn delete(table: &str) -> Sql {
    let mut sql = write(table, Verb::Delete);
    sql.facts.in_column = Some(column(table, "id"));
    sql.facts.in_key = Some(0);
    sql.arity = 1;
    sql
}

fn write(table: &str, verb: Verb) -> Sql {
    let mut sql = select(table, Projection::Other);
    sql.facts.verb = verb;
    sql
}

impl Sql {
    pub(super) fn and(self, by: &str) -> Self {
        let table = self.facts.table.clone();
        self.and_on(&table, by)
    }

    pub(super) fn and_on(mut self, table: &str, by: &str) -> Self {
        let key = u8::try_from(self.facts.equality_keys.len()).ok();
        self.facts.equality_keys.push(key);
        self.facts.equalities.push(column(table, by));
        self
    }

    /// By the table of a many-to-many relation instead.
    pub(super) fn through(mut self, through: &str, far: &str, by: &str) -> Self {
        let table = self.facts.table.clone();
        self.facts.equalities.clear();
        self.facts.equality_keys.clear();
        self.join((&table, "id"), (through, far))
            .and_on(through, by)
    }

    /// Another column in the SELECT list.
    pub(super) fn reads(mut self, table: &str, name: &str) -> Self {
        self.facts.columns.push(column(table, name));
        self
    }

    pub(super) fn only(mut self, names: &[&str]) -> Self {
        let table = self.facts.table.clone();
        self.facts.columns = names.iter().map(|name| column(&table, name)).collect();
        self
    }

    pub(super) fn join(mut self, left: (&str, &str), right: (&str, &str)) -> Self {
        self.facts.tables.push(right.0.into());
        self.facts.joins.push(Join {
            table: right.0.into(),
            left: column(left.0, left.1),
            right: column(right.0, right.1),
        });
        self
    }

    pub(super) fn limit(mut self, limit: Limit) -> Self {
        self.facts.limit = limit;
        self
    }

    pub(super) fn offset(mut self) -> Self {
        self.facts.limit = Limit::Other;
        self.facts.offset = true;
        self
    }

    pub(super) fn ordered(mut self, by: &'static str) -> Self {
        self.facts.order_by = true;
        self.order = by;
        self
    }

    /// `price__gt=…`.
    pub(super) fn narrowed(mut self) -> Self {
        self.facts.other_predicates = true;
        self
    }

    pub(super) fn for_update(mut self) -> Self {
        self.facts.for_update = true;
        self
    }

    /// `order_by("?")`.
    pub(super) fn random(mut self) -> Self {
        self.facts.order_by = true;
        self.facts.random_order = true;
        self
    }

    /// `iterator()`.
    pub(super) fn cursor(mut self) -> Self {
        self.facts.verb = Verb::Declare;
        self
    }

    /// The normalised text.
    pub(super) fn text(&self) -> String {
        let facts = &self.facts;
        let name = |column: &Column| format!("\"{}\".\"{}\"", column.table, column.name);
        let names = |columns: &[Column]| columns.iter().map(name).collect::<Vec<_>>().join(", ");
        let mut text = match (facts.verb, facts.projection) {
            (Verb::Insert, _) => {
                return format!("INSERT INTO \"{}\" (\"name\") VALUES (?)", facts.table);
            }
            (Verb::Update, _) => format!("UPDATE \"{}\" SET \"name\" = ?", facts.table),
            (Verb::Create, _) => return format!("CREATE DATABASE \"{}\"", facts.table),
            (Verb::Delete, _) => format!("DELETE FROM \"{}\"", facts.table),
            (_, Projection::Count) => {
                format!("SELECT COUNT(*) AS \"__count\" FROM \"{}\"", facts.table)
            }
            (_, Projection::Exists) => format!("SELECT ? AS \"a\" FROM \"{}\"", facts.table),
            (_, Projection::Aggregate) => {
                format!("SELECT {} FROM \"{}\"", self.function, facts.table)
            }
            _ => format!("SELECT {} FROM \"{}\"", names(&facts.columns), facts.table),
        };
        for join in &facts.joins {
            text += &format!(
                " INNER JOIN \"{}\" ON ({} = {})",
                join.table,
                name(&join.left),
                name(&join.right)
            );
        }
        let mut predicates: Vec<String> = (facts.equalities.iter())
            .map(|column| format!("{} = ?", name(column)))
            .collect();
        predicates
            .extend((facts.in_column.iter()).map(|column| format!("{} IN (?)", name(column))));
        if facts.other_predicates {
            predicates.push(format!("\"{}\".\"price\" > ?", facts.table));
        }
        match predicates.as_slice() {
            [] => {}
            [one] => text += &format!(" WHERE {one}"),
            several => text += &format!(" WHERE ({})", several.join(" AND ")),
        }
        if facts.random_order {
            text += " ORDER BY RANDOM() ASC";
        } else if facts.order_by {
            text += &format!(" ORDER BY \"{}\".\"{}\" ASC", facts.table, self.order);
        }
        text += match facts.limit {
            Limit::None => "",
            Limit::One => " LIMIT 1",
            Limit::TwentyOne => " LIMIT 21",
            Limit::Other => " LIMIT ?",
        };
        if facts.offset {
            text += " OFFSET ?";
        }
        if facts.for_update {
            text += " FOR UPDATE";
        }
        if facts.verb == Verb::Declare {
            text.insert_str(
                0,
                "DECLARE \"_django_curs_#\" NO SCROLL CURSOR WITH HOLD FOR ",
            );
        }
        text
    }
}

/// As [`crate::sql::Part::loose`] is made, of the text from FROM to ORDER BY, LIMIT or FOR.
fn loose(text: &str, literals: u64) -> u64 {
    let from = text.find(" FROM ").unwrap_or(0);
    let ends = [" ORDER BY ", " LIMIT ", " FOR UPDATE"];
    let to = ends.iter().filter_map(|end| text.rfind(end)).min();
    let shared = &text[from..to.unwrap_or(text.len()).max(from)];
    xxhash_rust::xxh3::xxh3_64(shared.as_bytes()) ^ literals
}

/// A request in the making. Each query takes a millisecond, and the app another one before the next.
pub(super) struct Scenario {
    request: Request,
    now: u64,
    after_rollback: bool,
}

const MILLISECOND: u64 = 1_000_000;

impl Scenario {
    pub(super) fn new() -> Self {
        Self {
            request: Request {
                database: "app".into(),
                route: "books/".into(),
                controller: "".into(),
                boundary: Boundary::Probe,
                kind: Kind::Http,
                opened: At(0),
                closed: At(0),
                queries: 0,
                nanos: 0,
                think_nanos: 0,
                groups: Vec::new(),
                entries: Vec::new(),
                ..Request::default()
            },
            now: MILLISECOND,
            after_rollback: false,
        }
    }

    pub(super) fn boundary(mut self, boundary: Boundary) -> Self {
        self.request.boundary = boundary;
        self
    }

    pub(super) fn task(mut self) -> Self {
        self.request.kind = Kind::Task;
        self
    }

    /// The app does something else.
    pub(super) fn wait(mut self, millis: u64) -> Self {
        self.now += millis * MILLISECOND;
        self
    }

    /// Its last ReadyForQuery has come by now.
    pub(super) fn ended(mut self) -> Self {
        self.request.closed = At(self.now);
        self
    }

    /// Changes the last query.
    pub(super) fn change(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        if let Some(entry) = self.request.entries.last_mut() {
            change(entry);
        }
        self
    }

    /// The last result had so many bytes.
    pub(super) fn bytes(self, bytes: u64) -> Self {
        self.change(|entry| entry.bytes = bytes)
    }

    /// The last result's columns, of so many bytes a row each.
    pub(super) fn widths(mut self, columns: &[(&str, u64)]) -> Self {
        let Some(entry) = self.request.entries.last() else {
            return self;
        };
        let shape = RowShape {
            columns: (columns.iter().zip(1..))
                .map(|((name, _), attribute)| RowColumn {
                    name: (*name).into(),
                    table: 7,
                    attribute,
                    type_oid: 25,
                    binary: false,
                })
                .collect(),
            watched: Vec::new(),
        };
        let rows = entry.rows.min(50);
        let widest = (columns.iter().enumerate()).max_by_key(|(_, (_, bytes))| *bytes);
        let widest = widest.map(|(column, (_, bytes))| Widest {
            column: column as u16,
            bytes: bytes * u64::from(rows),
            total: columns
                .iter()
                .map(|(_, bytes)| bytes * u64::from(rows))
                .sum(),
            rows,
        });
        self.request.groups[usize::from(entry.group)].widest =
            widest.map(|widest| (Arc::new(shape), widest));
        self
    }

    pub(super) fn rollback(mut self) -> Self {
        self.after_rollback = true;
        self
    }

    /// One query with the values `literals` and `rows` rows.
    pub(super) fn run(self, sql: Sql, literals: u64, rows: u32) -> Self {
        self.took(sql, literals, rows, 1)
    }

    /// One query that takes `millis`.
    pub(super) fn took(mut self, sql: Sql, literals: u64, rows: u32, millis: u64) -> Self {
        let writes = sql.facts.is_write();
        let text: Arc<str> = sql.text().into();
        let known = (self.request.groups.iter()).position(|group| group.statement.text == text);
        let index = known.unwrap_or(self.request.groups.len());
        if known.is_none() {
            let statement = Statement {
                fingerprint: Fingerprint(xxhash_rust::xxh3::xxh3_64(text.as_bytes())),
                text,
                facts: sql.facts,
            };
            self.request.groups.push(Group::new(Arc::new(statement)));
        }
        let nanos = millis * MILLISECOND;
        let loose = loose(&self.request.groups[index].statement.text, literals);
        let group = &mut self.request.groups[index];
        group.calls += 1;
        group.nanos += nanos;
        group.max_nanos = group.max_nanos.max(nanos);
        group.rows += u64::from(rows);
        group.slow += u32::from(millis >= 100);
        self.request.entries.push(Entry {
            group: index as u16,
            in_arity: sql.arity,
            literals,
            started: At(self.now),
            nanos,
            rows,
            bytes: u64::from(rows) * 100,
            keys: if writes {
                [literals as u32 + 1; Entry::KEYS]
            } else {
                [0; Entry::KEYS]
            },
            loose,
            after_rollback: std::mem::take(&mut self.after_rollback),
            ..Entry::default()
        });
        self.request.queries += 1;
        self.request.nanos += nanos;
        self.now += nanos + MILLISECOND;
        self
    }

    /// A loop: the same queries with other values each time.
    pub(super) fn each(self, times: u64, body: &[(Sql, u32)]) -> Self {
        (1..=times).fold(self, |scenario, value| {
            body.iter().fold(scenario, |scenario, (sql, rows)| {
                scenario.run(sql.clone(), value, *rows)
            })
        })
    }

    pub(super) fn request(self) -> Request {
        self.request
    }

    /// Looks with the default settings.
    pub(super) fn findings(self) -> Vec<super::Finding> {
        super::Detectors::new(&super::Settings::default()).inspect(&self.request)
    }
}
