//! What the transaction that is open on a connection has written.

use super::super::Shared;
use super::super::notice::tell;
use super::{Known, Watch};
use crate::detect::What;
use crate::session::At;
use crate::sql::{Facts, Statement};
use std::sync::Arc;

/// Statements that are remembered, and looked through at each write.
const MOST: usize = 32;

/// Others see what was written when the transaction ends.
#[derive(Default)]
pub(super) struct Writes {
    statements: Vec<Arc<Statement>>,
    /// There were more.
    others: bool,
}

impl Writes {
    /// A statement that may have changed what tables hold.
    pub fn add(&mut self, statement: &Arc<Statement>) {
        let known = |known: &Arc<Statement>| Arc::ptr_eq(known, statement);
        if self.statements.iter().any(known) {
            return;
        }
        if self.statements.len() < MOST {
            self.statements.push(Arc::clone(statement));
        } else {
            self.others = true;
        }
    }

    /// Tells of each statement once, with nothing for those that are not remembered, and forgets them.
    pub fn end(&mut self, mut tell: impl FnMut(Option<&Facts>)) {
        for statement in self.statements.drain(..) {
            tell(Some(&statement.facts));
        }
        if std::mem::take(&mut self.others) {
            tell(None);
        }
    }
}

impl Watch {
    /// A statement ended that may have changed what tables hold.
    pub(super) fn wrote(&mut self, statement: &Arc<Statement>, at: At, shared: &mut Shared) {
        let Some(known) = &self.known else { return };
        self.writes.add(statement);
        // The transaction's own queries see it at once. Outside a block the ReadyForQuery is at hand.
        if self.transaction.is_some() {
            known.tell_write(Some(&statement.facts), at, shared);
        }
    }

    /// Others see from now on what was written.
    pub(super) fn tell_writes(&mut self, at: At, shared: &mut Shared) {
        if let Some(known) = &self.known {
            self.writes.end(|facts| known.tell_write(facts, at, shared));
        }
    }
}

impl Known {
    fn tell_write(&self, facts: Option<&Facts>, at: At, shared: &mut Shared) {
        let database = self.tracker.database();
        let what = What::Wrote { database, facts };
        tell(what, at, self.class, database, shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Fingerprint;

    fn statement(number: usize) -> Arc<Statement> {
        let text = format!("UPDATE t{number} SET a = ?");
        Arc::new(Statement::new(Fingerprint(number as u64), &text))
    }

    #[test]
    fn each_statement_is_told_once_and_of_too_many_that_there_were_more() {
        let statements: Vec<_> = (0..=MOST).map(statement).collect();
        let mut writes = Writes::default();
        for (many, expected) in [(MOST, MOST), (MOST + 1, MOST + 1), (1, 1), (0, 0)] {
            for statement in statements[..many].iter().chain(&statements[..many]) {
                writes.add(statement);
            }
            let mut told = Vec::new();
            writes.end(|facts| told.push(facts.map(|facts| facts.table.to_string())));
            let mut known: Vec<_> = (0..many.min(MOST)).map(|n| Some(format!("t{n}"))).collect();
            known.resize(expected, None);
            assert_eq!(told, known);
        }
    }
}
