//! Requests and what is found in them: each test is a piece of a Django app.

mod applications;
mod deployment;
mod depth;
mod django;
mod facts;
mod healthy;
mod kinds;
mod lineage;
mod loops;
mod others;
mod properties;
mod transactions;
mod tuning;
mod values;
mod writes;

use super::Finding;
use super::testing::{Sql, list};

/// `Book.objects.all()`.
fn books() -> Sql {
    list("lib_book", &["id", "title", "price", "author_id"])
}

/// `Author.objects.all()`.
fn authors() -> Sql {
    list("lib_author", &["id", "name", "bio"])
}

/// The only finding.
fn only(findings: Vec<Finding>) -> Finding {
    let [finding] = <[Finding; 1]>::try_from(findings)
        .unwrap_or_else(|findings| panic!("one finding expected: {findings:#?}"));
    finding
}

/// Detector, kind, parent and relation of each finding.
fn words(findings: &[Finding]) -> Vec<String> {
    (findings.iter())
        .map(|finding| {
            let words = [
                finding.cause.detector,
                finding.kind,
                &finding.parent,
                &finding.relation,
            ];
            words.join(" ").trim_end().to_owned()
        })
        .collect()
}
