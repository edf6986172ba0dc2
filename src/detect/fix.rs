//! Writes what to do, in Django's words.
//!
//! A fix is a label value and identifies a cause across requests: it holds names, never counts, times or values.

use super::names;
use super::relation::{Kind, Name, Relation};
use crate::sql::{Facts, Projection, Statement};

/// Mark of a name that is not on the wire.
const DEFAULT_NAME: &str = " (or its related_name)";

/// Mark of a column whose field may be called otherwise.
const COLUMN_NAME: &str = " (or the name of that column's field)";

/// The fix of a repeated SELECT; starts with the call to write.
pub(super) fn n_plus_one(relation: &Relation, child: &Statement) -> String {
    let facts = &child.facts;
    let on = on(relation);
    match relation.kind {
        Kind::ForwardFk => format!("{}{}{on}", select_related(&relation.name), mark(relation)),
        Kind::ReverseOneToOne => {
            format!(
                "select_related({}){}{on}",
                argument(&relation.name),
                mark(relation)
            )
        }
        Kind::ReverseFk | Kind::ManyToMany if relation.narrowed => format!(
            "prefetch_related(Prefetch({}, queryset={}.objects.filter(…))){}{on}: filter(), order_by() and \
             first() on a prefetched relation query again",
            argument(&relation.name),
            names::class(&facts.table),
            mark(relation)
        ),
        Kind::ReverseFk | Kind::ManyToMany | Kind::GenericFk => {
            format!(
                "prefetch_related({}){}{on}",
                argument(&relation.name),
                mark(relation)
            )
        }
        Kind::Aggregate => aggregate(relation, child),
        Kind::Exists => exists(relation, facts),
        Kind::DeferredField => {
            format!(
                "remove {} from defer(), or add it to only(){on}",
                argument(&relation.name)
            )
        }
        Kind::SinglePrefetch => format!(
            "prefetch once on the whole list: prefetch_related_objects(list, {}){}",
            argument(&relation.name),
            mark(relation)
        ),
        Kind::Interleaved | Kind::LoopGet => loop_get(facts),
    }
}

/// A relation from the model of a list, to be loaded along with it.
#[derive(Clone)]
pub(super) struct Path {
    /// Lookup: `album__artist`.
    pub name: String,
    /// Several objects may stand at its end, or on the way.
    pub many: bool,
    /// Some name of it is not on the wire.
    pub guessed: bool,
}

/// Whether a lookup goes on with another.
pub(super) fn leads_to(lookup: &str, other: &str) -> bool {
    other
        .strip_prefix(lookup)
        .is_some_and(|rest| rest.starts_with("__"))
}

/// The calls that load all of these; `None` where there are none.
pub(super) fn loads(paths: &[Path], table: &str) -> Option<String> {
    let call = |method: &str, many: bool| {
        let mut names: Vec<String> = (paths.iter())
            .filter(|path| path.many == many)
            .filter(|path| {
                !paths
                    .iter()
                    .any(|other| other.many == many && leads_to(&path.name, &other.name))
            })
            .map(|path| format!("\"{}\"", path.name))
            .collect();
        names.dedup();
        (!names.is_empty()).then(|| format!("{method}({})", names.join(", ")))
    };
    let calls: Vec<String> = [
        call("select_related", false),
        call("prefetch_related", true),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mark = if paths.iter().any(|path| path.guessed) {
        DEFAULT_NAME
    } else {
        ""
    };
    (!calls.is_empty())
        .then(|| format!("{}{mark} on the query that reads {table}", calls.join(".")))
}

fn on(relation: &Relation) -> String {
    (relation.parent.as_ref()).map_or_else(String::new, |(_, table)| {
        format!(" on the query that reads {table}")
    })
}

fn mark(relation: &Relation) -> &'static str {
    match relation.name {
        Name::Default(_) => DEFAULT_NAME,
        Name::Column(_) => COLUMN_NAME,
        _ => "",
    }
}

fn argument(name: &Name) -> String {
    match name {
        Name::Known(name) | Name::Default(name) | Name::Column(name) => format!("\"{name}\""),
        Name::All(names) => {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(", ")
        }
        Name::OneOf(names) => {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            format!("one of {}", quoted.join(", "))
        }
        Name::Perhaps { .. } | Name::Unknown => "\"…\"".to_owned(),
    }
}

fn select_related(name: &Name) -> String {
    match name {
        Name::Perhaps { name, to } => {
            format!("select_related() of the foreign key to {to} (perhaps \"{name}\")")
        }
        name => format!("select_related({})", argument(name)),
    }
}

fn aggregate(relation: &Relation, child: &Statement) -> String {
    let (function, column) = function(child);
    if relation.parent.is_none() {
        return without_parent(&child.facts, &|by| {
            let of = column.map_or("pk", names::lookup);
            format!("values(\"{by}\").annotate(n={function}(\"{of}\"))")
        });
    }
    let filter = if relation.narrowed {
        ", filter=Q(…)"
    } else {
        ""
    };
    let of = match (&relation.name, column) {
        (Name::Known(name) | Name::Default(name), Some(column)) => {
            format!("\"{name}__{}\"", names::lookup(column))
        }
        (name, _) => argument(name),
    };
    format!(
        "annotate(n={function}({of}{filter})){}{}",
        mark(relation),
        on(relation)
    )
}

/// Django's aggregate and its column: `SELECT SUM("t"."c")` is `Sum` of `c`; `COUNT(*)` counts rows.
fn function(statement: &Statement) -> (&'static str, Option<&str>) {
    let sql = &statement.text;
    if statement.facts.projection == Projection::Count {
        return ("Count", None);
    }
    let known = [
        ("SUM(", "Sum"),
        ("AVG(", "Avg"),
        ("MIN(", "Min"),
        ("MAX(", "Max"),
    ];
    let first = (known.iter())
        .filter_map(|(sql_name, name)| Some((sql.find(sql_name)? + sql_name.len(), *name)))
        .min();
    let Some((start, name)) = first else {
        return ("Count", None);
    };
    let column = (sql.get(start..).and_then(|rest| rest.split_once(')')))
        .and_then(|(argument, _)| argument.rsplit('"').nth(1))
        .filter(|column| !column.is_empty());
    (name, column)
}

fn exists(relation: &Relation, facts: &Facts) -> String {
    let model = names::model(&facts.table);
    let class = names::class(&facts.table);
    let Some((_, parent)) = &relation.parent else {
        return without_parent(facts, &|by| format!("values_list(\"{by}\", flat=True)"));
    };
    // The table of a many-to-many field is a model too, but one without a class to import.
    let through = names::through(&facts.table, parent, &relation.key);
    let (has, objects) = match (&relation.name, through) {
        (Name::Known(field), _) if relation.outer == "pk" => {
            let owner = names::class(parent);
            (model, format!("{owner}.{field}.through.objects"))
        }
        (_, Some((owner, field))) => {
            let has = if owner == relation.key { field } else { owner };
            let owner = names::class(owner);
            (has, format!("{owner}.{field}.through.objects"))
        }
        _ => (model, format!("{class}.objects")),
    };
    let more = if relation.narrowed { ", …" } else { "" };
    format!(
        "annotate(has_{has}=Exists({objects}.filter({}=OuterRef(\"{}\"){more}))){}",
        relation.key,
        relation.outer,
        on(relation)
    )
}

/// One query for all values, before the loop.
fn without_parent(facts: &Facts, call: &dyn Fn(&str) -> String) -> String {
    let by = facts.equalities.last().or(facts.in_column.as_ref());
    let by = by.map_or("pk", |column| names::lookup(&column.name));
    format!(
        "filter({by}__in=…).{} once on {}, before the loop",
        call(by),
        facts.table
    )
}

fn loop_get(facts: &Facts) -> String {
    let names = || facts.equalities.iter().map(|column| column.name.as_str());
    // Of several columns the key is what changes; a content type stays the same in a loop.
    let column = names()
        .find(|name| names::is_object_id(name))
        .or_else(|| names().find(|name| name.ends_with("_id") && !names::is_content_type(name)))
        .or_else(|| names().next())
        .unwrap_or("id");
    if column == "id" {
        "in_bulk(ids) or filter(pk__in=ids) once, before the loop".to_owned()
    } else {
        format!(
            "filter({}__in=…) once, before the loop",
            names::lookup(column)
        )
    }
}

/// `COUNT(*)` of a whole table. What a subquery counts does not show in the facts.
pub(super) fn counts_all(statement: &Statement) -> bool {
    let facts = &statement.facts;
    facts.projection == Projection::Count
        && facts.equalities.is_empty()
        && facts.in_column.is_none()
        && facts.joins.is_empty()
        && !facts.other_predicates
        && !statement.text.contains("FROM (")
}

/// The fix of a query that runs again with the same values.
pub(super) fn duplicate(statement: &Statement, relation: Option<&Relation>) -> String {
    if counts_all(statement) {
        return "show_full_result_count = False on the ModelAdmin, where this is an admin list; elsewhere keep \
                the count in a variable"
            .to_owned();
    }
    if let Some(relation) = relation.filter(|relation| relation.kind == Kind::ForwardFk) {
        return format!(
            "{}{}, or keep the object in a variable",
            select_related(&relation.name),
            on(relation)
        );
    }
    match statement.facts.table.as_str() {
        "django_content_type" => {
            "ContentType.objects.get_for_model() or get_for_id(): they remember what they read".to_owned()
        }
        "django_site" => "Site.objects.get_current(): it remembers what it reads".to_owned(),
        table if changes_rarely(table) => {
            "cache.get_or_set(…): this table changes rarely; within one request keep the result in a variable"
                .to_owned()
        }
        _ => "keep the result in a variable, a cached_property or on the request: nothing changed in between"
            .to_owned(),
    }
}

/// Settings, flags and permissions, which the cache framework serves well.
fn changes_rarely(table: &str) -> bool {
    ["auth_permission", "auth_group", "waffle_", "constance_"]
        .iter()
        .any(|prefix| table.starts_with(prefix))
        || table.ends_with("settings")
}
