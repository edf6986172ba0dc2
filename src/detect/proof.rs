//! Names the relation of a loop whose values are proven to come from a column of an earlier result.

use super::lineage::Edge;
use super::names;
use super::parents::{self, Owner};
use super::plausible::{self, real_table};
use super::relation::{self, Kind, Name, Relation};
use crate::request::Request;
use crate::sql::{Column, Facts, Limit, Projection};

/// The relation that an edge shows.
pub(super) fn relation(request: &Request, edge: &Edge) -> Option<Relation> {
    let child = &request.groups.get(edge.child)?.statement.facts;
    let parent = &request.groups.get(edge.parent)?.statement.facts;
    let key = plausible::keys(child).nth(edge.key)?;
    let shape = &request.streams.of(edge.parent)?.shape;
    let column = shape.columns.get(edge.column)?;
    let source = plausible::source(parent, shape, edge.column);
    let (alias, name) = match &source {
        Some(source) => (source.alias, source.name),
        None => (parent.table.as_str(), &*column.name),
    };
    let found = Found {
        child,
        parent,
        key,
        group: edge.parent,
        alias,
        name,
        path: parents::path(parent, alias).unwrap_or_default(),
        is_pk: column.attribute == 1 || name == "id",
    };
    let mut relation = found.relation();
    if !edge.others.is_empty()
        && let Name::Known(first) = &relation.name
    {
        let others = edge.others.iter().filter_map(|index| {
            let source = plausible::source(parent, shape, *index)?;
            let path = parents::path(parent, source.alias)?;
            Some(format!("{path}{}", names::field(source.name)?))
        });
        relation.name = Name::All(std::iter::once(first.clone()).chain(others).collect());
    }
    Some(relation)
}

/// An edge in names.
struct Found<'a> {
    child: &'a Facts,
    parent: &'a Facts,
    key: &'a Column,
    group: usize,
    alias: &'a str,
    name: &'a str,
    /// Lookup from the parent's main table to `alias`.
    path: String,
    is_pk: bool,
}

impl Found<'_> {
    fn relation(&self) -> Relation {
        let own = relation::is_own(self.child, self.key);
        let key_is_pk = own && relation::is_primary_key(self.child, self.key);
        let table = real_table(self.parent, self.alias);
        if self.is_pk && key_is_pk && table == self.child.table {
            return self.same_row();
        }
        if names::is_object_id(self.name) {
            return self.generic();
        }
        match names::field(self.name) {
            Some(_) if self.name == self.key.name && !key_is_pk => self.shared_key(),
            Some(field) if own && !self.is_backward(table) => {
                self.forward(Name::Known(format!("{}{field}", self.path)))
            }
            // Also to another unique column (`to_field`).
            _ if self.is_pk || (!key_is_pk && names::field(&self.key.name).is_some()) => {
                self.backward(self.owner(table, self.path.clone()))
            }
            // A foreign key whose column is not called so.
            _ if key_is_pk => self.forward(Name::Column(format!("{}{}", self.path, self.name))),
            _ => self.with_parent(Kind::LoopGet, Name::Unknown),
        }
    }

    /// A primary key that is a foreign key too (`OneToOneField(primary_key=True)`) is walked either way.
    fn is_backward(&self, table: &str) -> bool {
        let field = names::field(&self.key.name);
        self.is_pk && field.is_some_and(|field| names::fit(field, table) >= names::Fit::Near)
    }

    fn with_parent(&self, kind: Kind, name: Name) -> Relation {
        Relation::new(
            kind,
            Some((self.group, self.parent.table.to_string())),
            name,
        )
    }

    fn owner(&self, table: &str, path: String) -> Owner {
        Owner {
            group: self.group,
            table: self.parent.table.to_string(),
            owner: table.to_owned(),
            path,
        }
    }

    /// The rows of the list, read again one by one.
    fn same_row(&self) -> Relation {
        let lacks =
            |column: &Column| (self.parent.columns.iter()).all(|listed| listed.name != column.name);
        if let [first, second] = self.child.columns.as_slice() {
            let field = if first.name == self.key.name {
                second
            } else {
                first
            };
            if lacks(field) {
                let name = format!("{}{}", self.path, names::lookup(&field.name));
                return self.with_parent(Kind::DeferredField, Name::Known(name));
            }
        }
        self.with_parent(Kind::LoopGet, Name::Unknown)
    }

    /// `GenericForeignKey`: by Django's habit `content_object`, or what stands before `object_id`.
    fn generic(&self) -> Relation {
        let prefix = self.name.strip_suffix("object_id").unwrap_or("");
        let name = match prefix.trim_end_matches('_') {
            "" | "content" => "content_object",
            prefix => prefix,
        };
        self.with_parent(
            Kind::GenericFk,
            Name::Default(format!("{}{name}", self.path)),
        )
    }

    fn forward(&self, name: Name) -> Relation {
        let outer = names::lookup(self.name).to_owned();
        let child = self.child;
        let kind = match child.projection {
            Projection::Exists | Projection::Count | Projection::Aggregate => {
                relation::summary_kind(child)
            }
            _ if child.equalities.is_empty() => Kind::SinglePrefetch,
            _ if relation::get_column(child).is_some() => Kind::ForwardFk,
            // `filter(pk=…).first()`, or a list by its primary key.
            _ if child.equalities.len() == 1
                && !child.other_predicates
                && child.limit != Limit::Other =>
            {
                Kind::ForwardFk
            }
            _ => return self.with_parent(Kind::LoopGet, Name::Unknown),
        };
        Relation {
            key: "pk".to_owned(),
            outer,
            ..self.with_parent(kind, name)
        }
    }

    fn backward(&self, owner: Owner) -> Relation {
        let (child, key) = (self.child, self.key);
        if names::is_object_id(&key.name) {
            let name = format!("{}{}s", owner.path, names::model(&child.table));
            return Relation {
                narrowed: child.other_predicates || child.limit != Limit::None,
                ..self.with_parent(Kind::ReverseFk, Name::Default(name))
            };
        }
        match child.projection {
            Projection::Exists | Projection::Count | Projection::Aggregate => {
                relation::summary_of(child, key, owner)
            }
            _ if child.equalities.is_empty() => relation::prefetch_of(child, key, owner),
            _ if relation::get_column(child).is_some() => relation::one_of(child, key, owner),
            _ => relation::many_of(child, key, owner),
        }
    }

    /// Both have a foreign key to the same table: what refers to the object that the list refers to.
    fn shared_key(&self) -> Relation {
        let Some(field) = names::field(self.name) else {
            return self.with_parent(Kind::LoopGet, Name::Unknown);
        };
        let path = format!("{}{field}__", self.path);
        self.backward(self.owner("", path))
    }
}
