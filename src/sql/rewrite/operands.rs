//! Literals, parameters and the operators between them.

use super::{Last, Probe, Rewriter};
use crate::sql::cast;
use crate::sql::keyword::Key;
use crate::sql::lexer::Lexer;
use crate::sql::list::Nest;
use crate::sql::literal;
use crate::sql::value;

/// Digits of the longest modifier of a type, `varchar(10485760)`. What is longer is data in a text that the server
/// refuses.
const MAX_MODIFIER: usize = 8;

impl Rewriter {
    /// NULL, TRUE or FALSE; the leading byte keeps it apart from a string of that name.
    pub(super) fn constant(&mut self, name: &[u8], lexer: &mut Lexer<'_>) {
        self.literals.push(1);
        self.literals.extend_from_slice(name);
        self.literal(lexer);
    }

    pub(super) fn number(&mut self, sign: &[u8], raw: &[u8], lexer: &mut Lexer<'_>) {
        let kept = match self.last {
            Last::Word(Key::Limit) => sign.is_empty() && matches!(raw, b"1" | b"21"),
            Last::Open | Last::Comma => {
                self.beyond == 0 && self.current.nest == Nest::Modifier && is_modifier(raw)
            }
            _ => false,
        };
        if kept {
            self.space();
            self.out.extend_from_slice(raw);
            self.last = Last::Literal;
            return cast::skip(lexer);
        }
        if self.last == Last::Word(Key::Offset) && sign != b"-" {
            self.part.offset = self.part.offset.max(literal::offset(raw));
        }
        let probe = self.before == Probe::Select && sign.is_empty() && raw == b"1";
        let end = lexer.position;
        if sign == b"-" {
            self.literals.push(b'-');
        }
        self.literals.extend_from_slice(raw);
        self.literal(lexer);
        if probe && lexer.position == end {
            self.probe = Probe::One;
        }
    }

    /// A literal whose bytes are noted.
    pub(super) fn literal(&mut self, lexer: &mut Lexer<'_>) {
        let mut key = None;
        if self.is_key() {
            let start = memchr::memrchr(0, &self.literals).map_or(0, |at| at + 1);
            key = self.part.keys.push(value::text(&self.literals[start..]));
        }
        if self.trace.is_on() {
            self.trace_literal(lexer, key);
        }
        self.literals.push(0);
        self.part.literal_count += 1;
        self.placeholder(lexer);
    }

    pub(super) fn placeholder(&mut self, lexer: &mut Lexer<'_>) {
        self.space();
        self.out.push(b'?');
        self.last = Last::Literal;
        cast::skip(lexer);
    }

    pub(super) fn operator(&mut self, raw: &[u8], lexer: &mut Lexer<'_>) {
        let operand = self.expects_operand();
        // A lone `?` is jsonb's operator only after something that is surely an operand.
        if raw == b"?" && (operand || matches!(self.last, Last::Word(_))) {
            return self.placeholder(lexer);
        }
        let digit = lexer
            .peek(usize::from(lexer.peek(0) == b'.'))
            .is_ascii_digit();
        let sign = operand && digit && matches!(raw, b"-" | b"+");
        if sign && let Some(number) = lexer.next() {
            return self.number(raw, lexer.raw(number), lexer);
        }
        self.space();
        self.out.extend_from_slice(raw);
        self.last = Last::Op;
    }
}

/// A number that may stand in the brackets of a type.
fn is_modifier(raw: &[u8]) -> bool {
    raw.len() <= MAX_MODIFIER && raw.iter().all(u8::is_ascii_digit)
}
