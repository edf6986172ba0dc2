//! Statements as Django writes them.

use crate::sql::{Column, Facts, Join, Limit, Projection, Verb};

/// A statement as Django writes it, with the facts that go with it.
#[derive(Clone)]
pub(in crate::detect) struct Sql {
    pub(in crate::detect) facts: Facts,
    order: &'static str,
    function: String,
    pub(super) arity: u32,
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
pub(in crate::detect) fn list(table: &str, columns: &[&str]) -> Sql {
    let mut sql = select(table, Projection::Columns);
    sql.facts.columns = columns.iter().map(|name| column(table, name)).collect();
    sql
}

/// `Model.objects.get(pk=…)`, and access to a foreign key.
pub(in crate::detect) fn get(table: &str) -> Sql {
    get_by(table, "id")
}

/// `Model.objects.get(column=…)`, and access to a reverse one-to-one relation.
pub(in crate::detect) fn get_by(table: &str, by: &str) -> Sql {
    filter(table, by).limit(Limit::TwentyOne)
}

/// `Model.objects.filter(column=…)`, and a reverse foreign key.
pub(in crate::detect) fn filter(table: &str, by: &str) -> Sql {
    let sql = list(table, &["id", "name", "note"]).and(by);
    if sql.facts.columns.iter().any(|c| c.name == by) {
        sql
    } else {
        sql.reads(table, by)
    }
}

/// `Model.objects.filter(column__in=…)` with `arity` members, and a prefetch.
pub(in crate::detect) fn filter_in(table: &str, by: &str, arity: u32) -> Sql {
    let mut sql = list(table, &["id", "name", "note"]);
    sql.facts.in_column = Some(column(table, by));
    sql.facts.in_key = Some(0);
    sql.arity = arity;
    sql
}

/// `filter(column=…).count()`.
pub(in crate::detect) fn count(table: &str, by: &str) -> Sql {
    count_all(table).and(by)
}

/// `Model.objects.count()`.
pub(in crate::detect) fn count_all(table: &str) -> Sql {
    select(table, Projection::Count)
}

/// `filter(column=…).aggregate(Sum("of"))`.
pub(in crate::detect) fn sum(table: &str, of: &str, by: &str) -> Sql {
    let mut sql = select(table, Projection::Aggregate).and(by);
    sql.function = format!("SUM(\"{table}\".\"{of}\") AS \"{of}__sum\"");
    sql
}

/// `filter(column=…).exists()`.
pub(in crate::detect) fn exists(table: &str, by: &str) -> Sql {
    select(table, Projection::Exists).and(by).limit(Limit::One)
}

/// `tag.book_set.all()` and `book.tags.all()`: `table` through `through`.
pub(in crate::detect) fn related(table: &str, through: &str, far: &str, by: &str) -> Sql {
    list(table, &["id", "name"]).through(through, far, by)
}

/// `Model.objects.create(…)`.
pub(in crate::detect) fn insert(table: &str) -> Sql {
    write(table, Verb::Insert)
}

/// `instance.save()`.
pub(in crate::detect) fn update(table: &str) -> Sql {
    write(table, Verb::Update).and("id")
}

/// `CREATE DATABASE`.
pub(in crate::detect) fn create(database: &str) -> Sql {
    write(database, Verb::Create)
}

/// `instance.delete()`.
pub(in crate::detect) fn delete(table: &str) -> Sql {
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
    pub(in crate::detect) fn and(self, by: &str) -> Self {
        let table = self.facts.table.clone();
        self.and_on(&table, by)
    }

    pub(in crate::detect) fn and_on(mut self, table: &str, by: &str) -> Self {
        let key = u8::try_from(self.facts.equality_keys.len()).ok();
        self.facts.equality_keys.push(key);
        self.facts.equalities.push(column(table, by));
        self
    }

    /// By the table of a many-to-many relation instead.
    pub(in crate::detect) fn through(mut self, through: &str, far: &str, by: &str) -> Self {
        let table = self.facts.table.clone();
        self.facts.equalities.clear();
        self.facts.equality_keys.clear();
        self.join((&table, "id"), (through, far))
            .and_on(through, by)
    }

    /// Another column in the SELECT list.
    pub(in crate::detect) fn reads(mut self, table: &str, name: &str) -> Self {
        self.facts.columns.push(column(table, name));
        self
    }

    pub(in crate::detect) fn only(mut self, names: &[&str]) -> Self {
        let table = self.facts.table.clone();
        self.facts.columns = names.iter().map(|name| column(&table, name)).collect();
        self
    }

    pub(in crate::detect) fn join(mut self, left: (&str, &str), right: (&str, &str)) -> Self {
        self.facts.tables.push(right.0.into());
        self.facts.joins.push(Join {
            table: right.0.into(),
            left: column(left.0, left.1),
            right: column(right.0, right.1),
        });
        self
    }

    pub(in crate::detect) fn limit(mut self, limit: Limit) -> Self {
        self.facts.limit = limit;
        self
    }

    pub(in crate::detect) fn offset(mut self) -> Self {
        self.facts.limit = Limit::Other;
        self.facts.offset = true;
        self
    }

    pub(in crate::detect) fn ordered(mut self, by: &'static str) -> Self {
        self.facts.order_by = true;
        self.order = by;
        self
    }

    /// `price__gt=…`.
    pub(in crate::detect) fn narrowed(mut self) -> Self {
        self.facts.other_predicates = true;
        self
    }

    pub(in crate::detect) fn for_update(mut self) -> Self {
        self.facts.for_update = true;
        self
    }

    /// `order_by("?")`.
    pub(in crate::detect) fn random(mut self) -> Self {
        self.facts.order_by = true;
        self.facts.random_order = true;
        self
    }

    /// `iterator()`.
    pub(in crate::detect) fn cursor(mut self) -> Self {
        self.facts.verb = Verb::Declare;
        self
    }

    /// The normalised text.
    pub(in crate::detect) fn text(&self) -> String {
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
