//! Going on from where another pass over a text was.

use super::Rewriter;

impl Rewriter {
    /// Goes on from where another pass was.
    pub fn resume(&mut self, from: &Self) {
        let mut out = std::mem::take(&mut self.out);
        let mut literals = std::mem::take(&mut self.literals);
        let mut outer = std::mem::take(&mut self.outer);
        let trace = std::mem::take(&mut self.trace);
        out.clear();
        out.extend_from_slice(&from.out);
        literals.clear();
        literals.extend_from_slice(&from.literals);
        outer.clear();
        outer.extend_from_slice(&from.outer);
        *self = Self {
            out,
            literals,
            outer,
            trace,
            ..*from
        };
    }

    /// Where it is, to [`Rewriter::resume`] from.
    pub fn copy(&self) -> Self {
        let mut copy = Self::default();
        copy.resume(self);
        copy
    }

    /// No literal was read.
    pub fn has_no_literal(&self) -> bool {
        self.literals.is_empty()
    }
}
