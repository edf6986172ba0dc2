//! `trace`: a traceparent or request id in the comment.
//!
//! Django middlewares write the span of the request itself, the same on every query; drivers'
//! instrumentation makes a span of each query, so that only the trace id stays. Statements without a
//! comment (BEGIN, COMMIT, FETCH) go with those around them.
//!
//! A comment with a line of code and neither id nor route is of what runs outside requests: the set-up of a test before its
//! first one, say, and what it looks at afterwards.

use super::{Sign, Verdict, View};
use crate::request::record::Boundary;

pub(super) fn check(view: &View<'_>) -> Option<Verdict> {
    let (seen, open) = (view.seen, view.open);
    let another = match (seen.trace, open.trace) {
        (Some(seen), Some(open)) => !open.same_request(seen),
        (Some(_), None) => open.request.queries > 0 && open.tags.is_outside(),
        // A request that has not told its route yet may go on without.
        (None, Some(_)) => seen.sign == Sign::Data && seen.outside && !open.tags.route.is_empty(),
        (None, None) => false,
    };
    another.then_some(Verdict::Begin(Boundary::Trace))
}
