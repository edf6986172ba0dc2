//! # What it finds
//!
//! Loops in loops, `depth` deep or more: each asks for values of the rows that the one before it read, row by row. The values
//! prove each step.
//!
//! # Why it hurts
//!
//! The numbers of rows multiply: ten authors with ten books with ten reviews are a thousand queries for the reviewers. Loading it
//! all at once helps the queries, but the answer is still a whole tree for each row of a list.
//!
//! # Example
//!
//! ```python
//! class AuthorSerializer(ModelSerializer):          # books → reviews → user, for each author of the list
//!     books = BookSerializer(many=True)
//!
//! class AuthorListSerializer(ModelSerializer):      # what the list shows; the tree for one author only
//!     class Meta:
//!         fields = ["id", "name", "book_count"]
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `depth` | `3` | loops in each other that are deep |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! It is a hint: an export may need the whole tree. The loops themselves are `n_plus_one`'s. A tree that is loaded by
//! `prefetch_related()` is not seen, nor is one whose rows are beyond `request.max_values`.

use super::guards::{is_batch, is_write_loop};
use super::lineage::{Edge, Lineage};
use super::relation::Kind;
use super::runs::Runs;
use super::{Allow, Detector, Evidence, Finding, Severity, Subject, accuse, proof};
use crate::request::Request;

/// Name of the detector.
pub(super) const NAME: &str = "serializer_depth";

/// Fewest queries of a loop that lineage follows.
const LOOP: u32 = 3;

/// Settings of `[detectors.serializer_depth]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Loops in each other that are deep; at least 2.
    pub depth: u32,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            depth: 3,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.depth < 2 {
            return Err(format!(
                "detectors.{NAME}.depth = {}: a loop alone is n_plus_one's; write 2 or more",
                self.depth
            ));
        }
        Ok(())
    }
}

/// Finds loops in loops in loops.
pub(super) struct SerializerDepth {
    settings: Settings,
}

impl SerializerDepth {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// A group as a step of a chain.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Loops from the list down to this one; 0 for what is no loop.
    depth: u32,
    /// The group whose rows it walks.
    parent: usize,
    /// The list where the chain begins.
    root: usize,
}

/// Whether an edge is a level of a tree: it follows a relation, and no batch or write is in it.
fn is_level(request: &Request, edge: &Edge) -> bool {
    let Some(group) = request.groups.get(edge.child) else {
        return false;
    };
    let entries: Vec<_> = (edge.queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .collect();
    let facts = &group.statement.facts;
    let related = proof::relation(request, edge)
        .is_some_and(|relation| !matches!(relation.kind, Kind::DeferredField | Kind::LoopGet));
    related && !is_batch(facts, &entries) && !is_write_loop(request, facts, &edge.queries)
}

/// How deep each group is.
fn steps(request: &Request, runs: &Runs, lineage: &Lineage) -> Vec<Step> {
    let mut steps = vec![Step::default(); request.groups.len()];
    let first = |group: usize| runs.positions(group).first();
    // The edges stand in the order of their children's first queries: a parent is done before its children.
    for edge in &lineage.edges {
        let (Some(parent), true) = (
            steps.get(edge.parent).copied(),
            first(edge.parent) < first(edge.child),
        ) else {
            continue;
        };
        let step = Step {
            depth: parent.depth + 1,
            parent: edge.parent,
            root: if parent.depth == 0 {
                edge.parent
            } else {
                parent.root
            },
        };
        if steps
            .get(edge.child)
            .is_some_and(|known| known.depth < step.depth)
            && is_level(request, edge)
        {
            steps[edge.child] = step;
        }
    }
    steps
}

/// Tables from the list to the deepest loop, and the queries of all its loops.
fn chain(request: &Request, steps: &[Step], leaf: usize) -> (String, u32) {
    let mut tables = Vec::new();
    let mut calls = 0u32;
    let mut at = leaf;
    loop {
        let group = &request.groups[at];
        tables.push(group.statement.facts.table.as_str());
        if steps[at].depth == 0 {
            break;
        }
        calls = calls.saturating_add(group.calls);
        at = steps[at].parent;
    }
    tables.reverse();
    (tables.join(" → "), calls)
}

impl Detector for SerializerDepth {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let loops = request.groups.iter().filter(|group| group.calls >= LOOP);
        if loops.count() < self.settings.depth as usize {
            return;
        }
        let runs = request.runs();
        let lineage = request.lineage(runs);
        if lineage.edges.len() < self.settings.depth as usize {
            return;
        }
        let steps = steps(request, runs, lineage);
        // The deepest loop below each list.
        let mut deepest: Vec<usize> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            if step.depth < self.settings.depth {
                continue;
            }
            match deepest
                .iter_mut()
                .find(|leaf| steps[**leaf].root == step.root)
            {
                Some(leaf) if steps[*leaf].depth < step.depth => *leaf = index,
                Some(_) => {}
                None => deepest.push(index),
            }
        }
        for leaf in deepest {
            let root = &request.groups[steps[leaf].root].statement;
            let (tables, calls) = chain(request, &steps, leaf);
            let fix = format!(
                "a serializer for lists with fewer levels than that for one object; each level of {tables} is read row by row"
            );
            let mut finding =
                accuse::statement(NAME, request, &request.groups[leaf].statement, fix);
            finding.cause.parent = Some(root.fingerprint);
            finding.severity = Severity::Info;
            finding.evidence = Evidence::Proven;
            finding.parent = root.facts.table.to_string();
            finding.count = calls;
            findings.push(finding);
        }
    }
}
