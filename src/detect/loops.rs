//! Loops that belong together: chains of relations, and loops in turn over values from elsewhere.

use super::relation::{Kind, Name, Relation};
use super::{Evidence, fix};
use crate::request::Request;

/// A repeated statement whose relation is known.
pub(super) struct Loop {
    /// Its group.
    pub group: usize,
    /// Its queries, as indices into the entries.
    pub queries: Vec<usize>,
    /// Calls, also those beyond the entries.
    pub calls: u32,
    /// Their durations, ns.
    pub nanos: u64,
    /// What shows it.
    pub evidence: Evidence,
    /// What it follows.
    pub relation: Relation,
}

/// Loops that have one remedy.
pub(super) struct Family {
    /// The first, whose statement is accused.
    pub first: Loop,
    /// All of them.
    pub kind: Kind,
    pub calls: u32,
    pub nanos: u64,
    /// Names of the relations.
    pub relation: String,
    pub fix: String,
}

/// Puts loops together: what is proven to hang on the rows of another loop joins that, and loops in turn over values
/// from elsewhere are one. The others stay alone.
pub(super) fn families(request: &Request, loops: Vec<Loop>) -> Vec<Family> {
    let mut trees: Vec<Tree> = Vec::new();
    for one in loops {
        let parent = one.relation.parent.as_ref().map(|(group, _)| *group);
        let proven = one.evidence == Evidence::Proven;
        let place = parent.filter(|_| proven).and_then(|parent| {
            let nodes = (trees.iter().enumerate()).flat_map(|(tree, all)| {
                let nodes = all.nodes.iter().enumerate();
                nodes.map(move |(node, known)| (tree, node, known))
            });
            let carriers =
                nodes.filter(|(_, _, known)| known.one.group == parent && known.carries(&one));
            // The same statement may be repeated in several places: the one that these queries stand among.
            let nearest =
                carriers.max_by_key(|(_, _, known)| among(&known.one.queries, &one.queries));
            nearest.map(|(tree, node, _)| (tree, node))
        });
        match place {
            Some((tree, node)) => trees[tree].hang(node, one),
            None => match trees.iter_mut().find(|tree| tree.takes_turns_with(&one)) {
                Some(tree) => tree.add(one),
                None => trees.push(Tree::new(one)),
            },
        }
    }
    trees
        .into_iter()
        .filter_map(|tree| tree.family(request))
        .collect()
}

/// A relation that can be loaded along with its list.
fn is_loaded(relation: &Relation) -> bool {
    matches!(
        relation.kind,
        Kind::ForwardFk
            | Kind::ReverseOneToOne
            | Kind::ReverseFk
            | Kind::ManyToMany
            | Kind::GenericFk
    ) && !relation.narrowed
        && text(&relation.name).is_some()
}

fn text(name: &Name) -> Option<&str> {
    match name {
        Name::Known(name) | Name::Default(name) => Some(name),
        Name::Column(_) | Name::All(_) | Name::OneOf(_) | Name::Perhaps { .. } | Name::Unknown => {
            None
        }
    }
}

/// A loop within a family, with the way from the family's list.
struct Node {
    one: Loop,
    path: Option<fix::Path>,
}

impl Node {
    /// `other` walks the rows that this loop reads, and one call can load both.
    fn carries(&self, other: &Loop) -> bool {
        self.path.is_some() && is_loaded(&other.relation)
    }
}

/// Loops and those over the rows that they read.
struct Tree {
    nodes: Vec<Node>,
    /// Loops that hang on no other.
    direct: usize,
}

impl Tree {
    fn new(one: Loop) -> Self {
        let path = path(&one.relation, None);
        Self {
            nodes: vec![Node { one, path }],
            direct: 1,
        }
    }

    fn hang(&mut self, on: usize, one: Loop) {
        let path = path(&one.relation, self.nodes[on].path.as_ref());
        self.nodes.push(Node { one, path });
    }

    fn add(&mut self, one: Loop) {
        self.direct += 1;
        let path = path(&one.relation, None);
        self.nodes.push(Node { one, path });
    }

    /// Both walk over values from elsewhere, and their queries alternate.
    fn takes_turns_with(&self, other: &Loop) -> bool {
        let Some(first) = self.nodes.first() else {
            return false;
        };
        let outside = |one: &Loop| one.relation.parent.is_none();
        outside(&first.one) && outside(other) && alternate(&first.one.queries, &other.queries)
    }

    fn family(self, request: &Request) -> Option<Family> {
        let single = self.nodes.len() == 1;
        let calls = self
            .nodes
            .iter()
            .map(|node| node.one.calls)
            .fold(0, u32::saturating_add);
        let nanos = self.nodes.iter().map(|node| node.one.nanos).sum();
        let (mut paths, mut others, mut relations) = (Vec::new(), Vec::new(), Vec::new());
        for node in &self.nodes {
            let statement = &request.groups.get(node.one.group)?.statement;
            match &node.path {
                Some(path) if !single => paths.push(path.clone()),
                _ => others.push(fix::n_plus_one(&node.one.relation, statement)),
            }
            relations.push(match &node.path {
                Some(path) => path.name.clone(),
                None => super::n_plus_one::relation_label(&node.one.relation.name),
            });
        }
        let table = self
            .nodes
            .first()?
            .one
            .relation
            .parent
            .as_ref()
            .map(|(_, table)| table.as_str());
        let loads = fix::loads(&paths, table.unwrap_or_default());
        let fix = loads
            .into_iter()
            .chain(others)
            .collect::<Vec<_>>()
            .join("; ");
        // What a longer name begins with is loaded by it.
        let all = relations.clone();
        relations
            .retain(|name| !name.is_empty() && !all.iter().any(|other| fix::leads_to(name, other)));
        relations.dedup();
        let direct = self.direct;
        let first = self.nodes.into_iter().next()?.one;
        Some(Family {
            kind: if direct > 1 {
                Kind::Interleaved
            } else {
                first.relation.kind
            },
            first,
            calls,
            nanos,
            relation: relations.join(","),
            fix,
        })
    }
}

/// The way to a relation that one call can load, from the list of the family.
fn path(relation: &Relation, before: Option<&fix::Path>) -> Option<fix::Path> {
    if !is_loaded(relation) {
        return None;
    }
    let many = !matches!(relation.kind, Kind::ForwardFk | Kind::ReverseOneToOne);
    let name = text(&relation.name)?;
    let guessed = matches!(relation.name, Name::Default(_));
    Some(match before {
        Some(before) => fix::Path {
            name: format!("{}__{name}", before.name),
            many: before.many || many,
            guessed: before.guessed || guessed,
        },
        None => fix::Path {
            name: name.to_owned(),
            many,
            guessed,
        },
    })
}

/// How many of `inner` stand between the first and the last of `outer`, or right behind it.
fn among(outer: &[usize], inner: &[usize]) -> usize {
    let (Some(first), Some(last)) = (outer.first(), outer.last()) else {
        return 0;
    };
    inner
        .iter()
        .filter(|at| (*first..=last + 1).contains(at))
        .count()
}

/// Two loops run in turn: between the queries of the shorter one stand, more often than not, some of the other.
fn alternate(one: &[usize], other: &[usize]) -> bool {
    let mut both: Vec<(usize, bool)> = (one.iter().map(|at| (*at, false)))
        .chain(other.iter().map(|at| (*at, true)))
        .collect();
    both.sort_unstable();
    let turns = both
        .windows(2)
        .filter(|pair| pair[0].1 != pair[1].1)
        .count();
    turns > one.len().min(other.len())
}
