//! What a statement means to the ladder.

use super::rules::{Sign, TraceKey};
use crate::session::{Outcome, Query};
use crate::sql::{Class as Whose, Tags};
use xxhash_rust::xxh3::xxh3_64;

/// The sign that a query is.
pub(super) fn sign_of(query: &Query<'_>, whose: Whose, idle: bool) -> Sign {
    match whose {
        _ if query.outcome == Outcome::Empty => {
            if idle {
                Sign::PoolCheck
            } else {
                Sign::Other
            }
        }
        _ if query.part.probe => {
            if idle {
                Sign::Probe
            } else {
                Sign::Other
            }
        }
        // Setting a connection up is nobody's query.
        _ if query.part.time_zone => Sign::Other,
        Whose::DiscardAll => Sign::DiscardAll,
        Whose::Begin if idle => Sign::Begin,
        Whose::Data => Sign::Data,
        _ => Sign::Other,
    }
}

/// The request that the tags of a comment name.
pub(super) fn trace_key(tags: &Tags) -> Option<TraceKey> {
    if tags.trace_id != 0 {
        Some(if tags.from_middleware {
            TraceKey::Span(tags.trace_id, tags.span_id)
        } else {
            TraceKey::Trace(tags.trace_id)
        })
    } else if !tags.request_id.is_empty() {
        Some(TraceKey::Request(xxh3_64(tags.request_id.as_bytes())))
    } else {
        None
    }
}
