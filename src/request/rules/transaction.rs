//! `transaction`: one transaction, one request (`ATOMIC_REQUESTS`), once a class of clients has shown
//! that nearly all its statements run that way.
//!
//! Decided at the first data statement of a transaction: a request that has loaded session and user before its
//! transaction began goes on, and one whose session is saved after it still has that to do.

use super::{Sign, Verdict, View, is_anchor};
use crate::request::record::Boundary;

pub(super) fn check(view: &View<'_>) -> Option<Verdict> {
    let statement = view.seen.statement?;
    let (seen, open) = (view.seen, view.open);
    // Few statements are: the rest is looked at only for these.
    if seen.sign != Sign::Data || !seen.opens_transaction || open.request.queries == 0 {
        return None;
    }
    let goes_on = open.begins <= 1 && open.only_anchors();
    // `SessionMiddleware` saves after the view's transaction, in one of its own.
    let saves_session = statement.facts.table == "django_session" && !is_anchor(statement);
    let silent = view.announced.is_none() && open.trace.is_none();
    (!goes_on && !saves_session && silent && view.class.is_atomic())
        .then_some(Verdict::Begin(Boundary::Transaction))
}
