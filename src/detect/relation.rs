//! Which relation a repeated SELECT follows, told from its shape and from the queries before it.

use super::forward;
use super::names::{self, Fit};
use super::parents::{self, By, Child, Owner, Parent};
use crate::request::{Group, Request};
use crate::sql::{Column, Facts, Limit, Projection};

/// What a repeated SELECT is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    ForwardFk,
    ReverseFk,
    ManyToMany,
    ReverseOneToOne,
    Aggregate,
    Exists,
    DeferredField,
    GenericFk,
    SinglePrefetch,
    Interleaved,
    LoopGet,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ForwardFk => "forward_fk",
            Self::ReverseFk => "reverse_fk",
            Self::ManyToMany => "many_to_many",
            Self::ReverseOneToOne => "reverse_one_to_one",
            Self::Aggregate => "aggregate",
            Self::Exists => "exists",
            Self::DeferredField => "deferred_field",
            Self::GenericFk => "generic_fk",
            Self::SinglePrefetch => "single_prefetch",
            Self::Interleaved => "interleaved",
            Self::LoopGet => "loop_get",
        }
    }
}

/// Name of a relation, as far as it can be known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Name {
    /// It stands in the SQL.
    Known(String),
    /// Django's default for a name that does not: the model may set a `related_name`.
    Default(String),
    /// The column that holds it (`db_column`): the field may be called otherwise.
    Column(String),
    /// All of these.
    All(Vec<String>),
    /// One of these, and nothing says which.
    OneOf(Vec<String>),
    /// A guess from numbers alone, for a foreign key to the table `to`: no more than a hint.
    Perhaps { name: String, to: String },
    /// No idea.
    Unknown,
}

/// A repeated SELECT and where it comes from.
pub(super) struct Relation {
    /// What it is.
    pub kind: Kind,
    /// Its parent: index into the groups and main table.
    pub parent: Option<(usize, String)>,
    /// The relation, from the parent's model.
    pub name: Name,
    /// Field of the repeated statement's model that leads to `outer`, or empty.
    pub key: String,
    /// Where that is, from the parent's model: `pk`, or the relation that `select_related()` joined.
    pub outer: String,
    /// It asks for more than the relation's rows: `filter()`, `order_by()[:1]` and their kin.
    pub narrowed: bool,
}

impl Relation {
    pub(super) fn new(kind: Kind, parent: Option<(usize, String)>, name: Name) -> Self {
        Self {
            kind,
            parent,
            name,
            key: String::new(),
            outer: "pk".to_owned(),
            narrowed: false,
        }
    }

    /// A relation back to the rows of `owner`.
    pub(super) fn reverse(kind: Kind, key: &Column, owner: Owner, name: Name) -> Self {
        let outer = match owner.path.strip_suffix("__") {
            Some(path) => path.to_owned(),
            None => "pk".to_owned(),
        };
        Self {
            key: names::lookup(&key.name).to_owned(),
            outer,
            ..Self::new(kind, Some((owner.group, owner.table)), name)
        }
    }

    pub(super) fn loop_get() -> Self {
        Self::new(Kind::LoopGet, None, Name::Unknown)
    }
}

/// Reads the relation of `child`. Where nothing fits it is a `loop_get`: its values come from elsewhere.
pub(super) fn read(request: &Request, parents: &[Parent<'_>], child: &Child<'_>) -> Relation {
    let facts = child.facts;
    if facts.equalities.is_empty() {
        return single_prefetch(request, parents, child);
    }
    match facts.projection {
        Projection::Exists | Projection::Count | Projection::Aggregate => {
            summary(request, parents, child)
        }
        Projection::Columns | Projection::Other => match get_column(facts) {
            Some(column) => get(request, parents, child, column),
            None => many(request, parents, child),
        },
    }
}

/// The column of `get(column=…)`, also behind access to a relation with one object: `LIMIT 21`, ordering
/// cleared (`django/db/models/query.py`, `get`), exactly one predicate, on the table itself.
pub(super) fn get_column(facts: &Facts) -> Option<&Column> {
    let [column] = facts.equalities.as_slice() else {
        return None;
    };
    let plain = facts.limit == Limit::TwentyOne
        && !facts.order_by
        && !facts.other_predicates
        && facts.in_column.is_none()
        && is_own(facts, column);
    plain.then_some(column)
}

pub(super) fn is_own(facts: &Facts, column: &Column) -> bool {
    column.table.is_empty() || column.table == facts.table
}

/// Django lists the primary key first, save for a child table of multi-table inheritance (`…_ptr_id`).
pub(super) fn is_primary_key(facts: &Facts, column: &Column) -> bool {
    column.name == "id"
        || column.name.ends_with("_ptr_id")
        || facts.columns.first().is_some_and(|first| first == column)
}

fn get(request: &Request, parents: &[Parent<'_>], child: &Child<'_>, column: &Column) -> Relation {
    let facts = child.facts;
    let primary_key = is_primary_key(facts, column);
    if primary_key {
        let found = deferred_field(parents, child, column)
            .or_else(|| forward::named(request, parents, child));
        if let Some(found) = found {
            return found;
        }
    }
    if names::field(&column.name).is_none() {
        return primary_key
            .then(|| forward::unnamed(request, parents, child))
            .flatten()
            .unwrap_or_else(Relation::loop_get);
    }
    // A missing row is remembered too, so that no parent row asks twice.
    match owner(request, parents, child) {
        Some((key, owner)) if can_cause(parents, owner.group, child) => one_of(facts, key, owner),
        _ => Relation::loop_get(),
    }
}

/// The one object that refers to each row of `owner`.
pub(super) fn one_of(facts: &Facts, key: &Column, owner: Owner) -> Relation {
    let name = Name::Default(format!("{}{}", owner.path, names::model(&facts.table)));
    Relation::reverse(Kind::ReverseOneToOne, key, owner, name)
}

fn can_cause(parents: &[Parent<'_>], group: usize, child: &Child<'_>) -> bool {
    let mut parents = parents.iter().filter(|parent| parent.group == group);
    parents.any(|parent| parent.can_cause(child.calls, 1))
}

/// `SELECT pk, field … WHERE pk = ?` after a list of the same model without that field:
/// `refresh_from_db(fields=[field])` of `django/db/models/query_utils.py`, `DeferredAttribute`.
fn deferred_field(parents: &[Parent<'_>], child: &Child<'_>, pk: &Column) -> Option<Relation> {
    let [first, second] = child.facts.columns.as_slice() else {
        return None;
    };
    let field = if first.name == pk.name { second } else { first };
    let parent = parents.iter().find(|parent| {
        let mut own = (parent.facts.columns.iter())
            .filter(|column| column.table == field.table)
            .peekable();
        own.peek().is_some()
            && own.all(|column| column.name != field.name)
            && parent.can_cause(child.calls, 1)
    })?;
    Some(Relation::new(
        Kind::DeferredField,
        Some((parent.group, parent.facts.table.to_string())),
        Name::Known(names::lookup(&field.name).to_owned()),
    ))
}

/// Several rows, or the first of them: a reverse foreign key or a many-to-many relation.
fn many(request: &Request, parents: &[Parent<'_>], child: &Child<'_>) -> Relation {
    match owner(request, parents, child) {
        Some((key, owner)) => many_of(child.facts, key, owner),
        None => Relation::loop_get(),
    }
}

/// The objects that refer to each row of `owner`.
pub(super) fn many_of(facts: &Facts, key: &Column, owner: Owner) -> Relation {
    let (kind, name) = related(facts, key, &owner);
    Relation {
        narrowed: facts.other_predicates
            || facts.in_column.is_some()
            || facts.equalities.len() > 1
            || facts.limit != Limit::None
            || facts.group_by
            || facts.projection == Projection::Other
            || (kind == Kind::ReverseFk && !facts.joins.is_empty()),
        ..Relation::reverse(kind, key, owner, name)
    }
}

/// `count()`, `aggregate()` or `exists()` of a relation.
fn summary(request: &Request, parents: &[Parent<'_>], child: &Child<'_>) -> Relation {
    match owner(request, parents, child) {
        Some((key, owner)) => summary_of(child.facts, key, owner),
        None => Relation::new(summary_kind(child.facts), None, Name::Unknown),
    }
}

pub(super) fn summary_kind(facts: &Facts) -> Kind {
    match facts.projection {
        Projection::Exists => Kind::Exists,
        _ => Kind::Aggregate,
    }
}

/// `count()`, `aggregate()` or `exists()` of what refers to each row of `owner`.
pub(super) fn summary_of(facts: &Facts, key: &Column, owner: Owner) -> Relation {
    let kind = summary_kind(facts);
    // In lookups the default is the model's name, without `_set`.
    let name = match related(facts, key, &owner).1 {
        Name::Default(name) => Name::Default(name.strip_suffix("_set").unwrap_or(&name).to_owned()),
        name => name,
    };
    Relation {
        narrowed: facts.other_predicates || facts.in_column.is_some() || facts.equalities.len() > 1,
        ..Relation::reverse(kind, key, owner, name)
    }
}

/// The foreign key among the predicates and the parent whose primary keys it takes.
///
/// Of several keys the one that is named after the main table of a parent wins: in
/// `filter(user=request.user, post=post)` the posts are the list, even where it has joined its users.
fn owner<'a>(
    request: &Request,
    parents: &[Parent<'_>],
    child: &Child<'a>,
) -> Option<(&'a Column, Owner)> {
    let facts = child.facts;
    let predicates = match facts.equalities.as_slice() {
        [] => facts.in_column.as_slice(),
        equalities => equalities,
    };
    let keys: Vec<(&Column, &str, &str)> = (predicates.iter())
        .filter(|key| !names::is_content_type(&key.name) && !names::is_object_id(&key.name))
        .filter_map(|key| {
            let through = through(facts, key);
            let here = is_own(facts, key) || through.is_some();
            let field = names::field(&key.name).filter(|_| here)?;
            Some((key, field, through.unwrap_or("")))
        })
        .collect();
    let find = |by: By| {
        keys.iter().find_map(|(key, field, through)| {
            let owner = parents::owner(parents, child, field, through, by)?;
            Some((*key, owner))
        })
    };
    let counted = || {
        // Numbers cannot choose between keys, nor overrule a name: `publisher_id` belongs to the publishers.
        let [(_, field, _)] = keys.as_slice() else {
            return None;
        };
        let elsewhere =
            |group: &Group| names::fit(field, &group.statement.facts.table) == Fit::Exact;
        (!request.groups.iter().any(elsewhere))
            .then(|| find(By::Count))
            .flatten()
    };
    find(By::Main).or_else(|| find(By::Joined)).or_else(counted)
}

/// The many-to-many table that `column` belongs to: joined by another key of its own to the primary key of
/// the table that is read, or read itself (`count()`).
pub(super) fn through<'a>(facts: &'a Facts, column: &Column) -> Option<&'a str> {
    // A child table of multi-table inheritance is joined to its parent's primary key just so.
    if is_own(facts, column) {
        return None;
    }
    facts.joins.iter().find_map(|join| {
        let (near, far) = if join.right.table == column.table {
            (&join.left, &join.right)
        } else {
            (&join.right, &join.left)
        };
        let is_through = far.table == column.table
            && near.table != column.table
            && far.name != column.name
            && names::field(&far.name).is_some()
            && names::field(&near.name).is_none();
        is_through.then_some(join.table.as_str())
    })
}

/// Kind and name of the relation that `key` belongs to, from `owner`'s model.
fn related(facts: &Facts, key: &Column, owner: &Owner) -> (Kind, Name) {
    let path = &owner.path;
    let default = || Name::Default(format!("{path}{}_set", names::model(&facts.table)));
    let rest = |through: &'_ str| {
        let field = through.strip_prefix(&owner.owner)?.strip_prefix('_')?;
        (!field.is_empty()).then(|| format!("{path}{field}"))
    };
    if let Some(through) = through(facts, key) {
        let name = rest(through).map_or_else(default, Name::Known);
        return (Kind::ManyToMany, name);
    }
    // `count()` and `exists()` read the many-to-many table alone: `lib_book_tags` by `book_id`. A model with such
    // a `db_table` looks the same.
    if matches!(facts.projection, Projection::Count | Projection::Exists)
        && let Some(field) = rest(&facts.table)
    {
        return (Kind::ManyToMany, Name::Default(field));
    }
    (Kind::ReverseFk, default())
}

/// `IN` with one member, again and again: `prefetch_related_objects([one], …)` or a query set per object.
fn single_prefetch(request: &Request, parents: &[Parent<'_>], child: &Child<'_>) -> Relation {
    match owner(request, parents, child) {
        Some((key, owner)) => prefetch_of(child.facts, key, owner),
        None => Relation::new(Kind::SinglePrefetch, None, Name::Unknown),
    }
}

/// A prefetch for each row of `owner` alone.
pub(super) fn prefetch_of(facts: &Facts, key: &Column, owner: Owner) -> Relation {
    let name = related(facts, key, &owner).1;
    Relation::reverse(Kind::SinglePrefetch, key, owner, name)
}
