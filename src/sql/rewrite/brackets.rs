//! Opening and closing brackets.

use super::{Last, MAX_DEPTH, Rewriter};
use crate::sql::cast;
use crate::sql::keyword::Key;
use crate::sql::lexer::Lexer;
use crate::sql::list::{Frame, Nest, holds_literals};

impl Rewriter {
    pub(super) fn open(&mut self, gap: bool) {
        let nest = match self.last {
            Last::Word(Key::In) => Nest::In,
            Last::Word(Key::Values) => Nest::Row,
            Last::Comma if self.beyond == 0 && self.current.rows_open => Nest::Row,
            Last::Type => Nest::Modifier,
            _ => Nest::Paren,
        };
        let blank = match self.last {
            Last::Comma | Last::Op | Last::Literal => true,
            Last::Word(Key::In | Key::Values) => true,
            Last::Word(_) | Last::Quoted | Last::Close | Last::Type => gap,
            _ => false,
        };
        if nest != Nest::Row {
            self.current.rows_open = false;
        }
        if blank {
            self.out.push(b' ');
        }
        if nest == Nest::In {
            self.trace.add_list();
        }
        let start = self.out.len();
        self.out.push(b'(');
        self.push(Frame::new(nest, start));
        self.last = Last::Open;
    }

    pub(super) fn open_bracket(&mut self) {
        if matches!(self.last, Last::Comma | Last::Op | Last::Literal) {
            self.out.push(b' ');
        }
        let inner = matches!(self.last, Last::Open | Last::Comma);
        let (nest, start) = match self.last {
            Last::Word(Key::Array) => (Nest::Array, self.word),
            _ if inner && self.beyond == 0 && self.current.nest == Nest::Array => {
                (Nest::Array, self.out.len())
            }
            _ => (Nest::Bracket, self.out.len()),
        };
        self.current.rows_open = false;
        self.out.push(b'[');
        let mut frame = Frame::new(nest, start);
        frame.start_item(self.out.len());
        self.push(frame);
        self.last = Last::Open;
    }

    pub(super) fn close(&mut self) {
        self.leave_cases();
        if self.beyond > 0 {
            self.beyond -= 1;
            self.out.push(b')');
        } else if self.current.nest.is_paren() {
            if self.current.nest == Nest::In && self.last != Last::Open {
                self.current.finish_item(&mut self.out);
                self.part.in_arity = self.part.in_arity.max(self.current.items);
            }
            self.out.push(b')');
            let closed = self.current;
            self.pop();
            if closed.nest == Nest::Row {
                self.current.finish_row(closed.start, &mut self.out);
                self.part.values_rows = self.part.values_rows.max(self.current.items);
            }
        } else {
            self.out.push(b')');
        }
        self.last = Last::Close;
    }

    pub(super) fn close_bracket(&mut self, lexer: &mut Lexer<'_>) {
        self.leave_cases();
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.current.nest == Nest::Array {
            self.current.finish_item(&mut self.out);
            let start = self.current.start;
            self.pop();
            if holds_literals(&self.out[start..]) {
                self.out.truncate(start);
                self.out.push(b'?');
                self.last = Last::Literal;
                return cast::skip(lexer);
            }
        } else if self.current.nest == Nest::Bracket {
            self.pop();
        }
        self.out.push(b']');
        self.last = Last::Close;
    }

    /// A bracket that closes ends every CASE inside it.
    fn leave_cases(&mut self) {
        while self.in_case() && !self.outer.is_empty() {
            self.pop();
        }
    }

    pub(super) fn push(&mut self, frame: Frame) {
        if self.outer.len() >= MAX_DEPTH || self.beyond > 0 {
            self.beyond += 1;
            return;
        }
        self.outer.push(self.current);
        self.current = frame;
    }

    pub(super) fn pop(&mut self) {
        self.current = self.outer.pop().unwrap_or_default();
    }
}
