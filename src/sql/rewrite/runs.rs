//! Long lists of literals, taken without a look at the rules for each token.
//!
//! What is taken here is what the rules would take back: an element or a row that comes out as the one before it
//! leaves nothing but its literals and a count.

use super::Rewriter;
use super::trace::{Slot, What};
use crate::sql::lexer::Lexer;
use crate::sql::list::Nest;
use crate::sql::literal;

impl Rewriter {
    /// Behind a comma: takes the elements or rows that follow, as long as they are plain literals and another comma
    /// stands behind them.
    pub(super) fn run(&mut self, lexer: &mut Lexer<'_>) {
        if self.beyond > 0 {
            return;
        }
        if self.current.nest.is_list() {
            if self.current.kept(&self.out) == b"?" {
                self.elements(lexer);
            }
        } else if self.current.rows_open
            && let Some(width) = width(self.current.kept(&self.out))
        {
            while self.row(width, lexer) {
                self.trace.stop();
            }
        }
    }

    /// ` 1, 2,`
    fn elements(&mut self, lexer: &mut Lexer<'_>) {
        let (start, literals) = (lexer.position, self.literals.len());
        let (count, end) = literal::elements(lexer, start, &mut self.literals);
        lexer.position = end;
        self.part.literal_count += count;
        self.current.items += count;
        self.trace.push(Slot {
            what: match self.current.nest {
                Nest::In => What::List,
                _ => What::Array,
            },
            start: start as u32,
            end: lexer.position as u32,
            literals,
            count,
            key: None,
        });
    }

    /// ` (1, 2),` of as many literals as the row before.
    fn row(&mut self, width: u32, lexer: &mut Lexer<'_>) -> bool {
        let before = self.literals.len();
        let end = self.members(width, lexer);
        let Some(end) = end.filter(|&end| lexer.byte(end) == b',') else {
            self.literals.truncate(before);
            return false;
        };
        self.part.literal_count += width;
        self.current.items += 1;
        self.part.values_rows = self.part.values_rows.max(self.current.items);
        lexer.position = end + 1;
        true
    }

    /// Notes the literals of a row; returns where it ends.
    fn members(&mut self, width: u32, lexer: &Lexer<'_>) -> Option<usize> {
        let mut at = lexer.unspaced(lexer.position);
        let mut mark = b'(';
        for _ in 0..width {
            if lexer.byte(at) != mark {
                return None;
            }
            let literal = lexer.plain(lexer.unspaced(at + 1))?;
            literal::push_element(&literal, &mut self.literals);
            at = literal.end;
            mark = b',';
        }
        (lexer.byte(at) == b')').then_some(at + 1)
    }
}

/// How many literals a row has that has nothing else.
fn width(row: &[u8]) -> Option<u32> {
    let members = row.strip_prefix(b"(?")?.strip_suffix(b")")?;
    let (pairs, rest) = members.as_chunks();
    let plain = rest.is_empty() && pairs.iter().all(|pair| pair == b", ?");
    plain.then_some(1 + pairs.len() as u32)
}
