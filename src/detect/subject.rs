//! A request under inspection, with what several detectors want to know of it.

use super::guards::{is_suspect, is_system};
use super::lineage::Lineage;
use super::runs::Runs;
use crate::request::Request;
use std::cell::OnceCell;
use std::ops::Deref;

/// The request, and what was found out about it so far.
pub struct Subject<'r> {
    request: &'r Request,
    runs: OnceCell<Runs>,
    lineage: OnceCell<Lineage>,
}

impl<'r> Subject<'r> {
    /// Nothing is known of it yet.
    pub fn new(request: &'r Request) -> Self {
        Self {
            request,
            runs: OnceCell::new(),
            lineage: OnceCell::new(),
        }
    }

    /// Where its statements stand; nothing counts as a repetition.
    pub(super) fn runs(&self) -> &Runs {
        self.runs
            .get_or_init(|| Runs::search(self.request, usize::MAX))
    }

    /// Where the values of each read come from that may be a loop's. `runs`: any of this request.
    pub(super) fn lineage(&self, runs: &Runs) -> &Lineage {
        let is_suspect = |index: usize| {
            let group = self.request.groups.get(index);
            group.is_some_and(|group| is_suspect(&group.statement.facts) && !is_system(group))
        };
        self.lineage
            .get_or_init(|| Lineage::trace(self.request, runs, is_suspect))
    }
}

impl Deref for Subject<'_> {
    type Target = Request;

    fn deref(&self) -> &Request {
        self.request
    }
}
