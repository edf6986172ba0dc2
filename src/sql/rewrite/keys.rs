//! Which literals a WHERE compares for equality.

use super::{Last, Rewriter};
use crate::sql::list::{Frame, Nest};

impl Rewriter {
    /// The literal that comes next is a key: what `=` compares, or the first member of an IN list.
    pub(super) fn is_key(&self) -> bool {
        if !self.asks || self.beyond > 0 || self.in_any_case() {
            return false;
        }
        match self.last {
            Last::Op => self.out.ends_with(b" ="),
            Last::Open => {
                let first = |frame: &Frame| frame.nest == Nest::In && frame.items == 0;
                // Django 5.2 writes `IN ((1), (2))`.
                let inner =
                    self.current.nest == Nest::Paren && self.outer.last().is_some_and(first);
                inner || first(&self.current)
            }
            _ => false,
        }
    }

    fn in_any_case(&self) -> bool {
        self.in_case() || self.outer.iter().any(|frame| frame.nest == Nest::Case)
    }
}
