//! `anchor`: a statement that opens requests: Django's session or a token of Django REST framework, or one
//! that was learned to stand at the start of bursts.

use super::{Sign, Verdict, View};
use crate::request::record::Boundary;
use crate::sql::{Limit, Statement};

pub(super) fn check(view: &View<'_>) -> Option<Verdict> {
    let statement = view.seen.statement?;
    let (seen, open) = (view.seen, view.open);
    let outside = seen.idle || seen.opens_transaction;
    if seen.sign != Sign::Data || !outside || open.request.queries == 0 || open.trace.is_some() {
        return None;
    }
    let announced = view.announced.is_some();
    let opener = || !announced && view.class.is_opener(statement.fingerprint);
    if !is_anchor(statement) && !opener() {
        return None;
    }
    // On a connection that has served one request so far, only its second sight tells. Where requests are announced, too:
    // nobody loads a session twice in one request, and a stray `SELECT 1` must not hide that.
    let known = view.connection.shared && !announced;
    (known || open.has(statement.fingerprint)).then_some(Verdict::Begin(Boundary::Anchor))
}

/// The session of `django.contrib.sessions` or the token of `rest_framework.authtoken`, being loaded.
pub(in crate::request) fn is_anchor(statement: &Statement) -> bool {
    let facts = &statement.facts;
    let key = match facts.table.as_str() {
        "django_session" => "session_key",
        "authtoken_token" => "key",
        _ => return false,
    };
    facts.is_read()
        && facts.limit == Limit::TwentyOne
        && facts.equalities.iter().any(|column| column.name == key)
}
