//! PostgreSQL's lexical rules, on bytes.
//!
//! The rules are those of the manual's chapter "Lexical Structure" (`src/backend/parser/scan.l`). Nothing is
//! an error here: whatever has no end runs to the end of the text, and an odd byte is a token of its own.

mod plain;
mod strings;

pub(super) use plain::Plain;
pub(super) use strings::continued;

use memchr::memchr2;
use std::cell::Cell;

const SPACE: u8 = 1;
const START: u8 = 2;
const CONTINUE: u8 = 4;
const DIGIT: u8 = 8;
const OPERATOR: u8 = 16;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            // Control characters have no business in SQL; as blanks they cannot reach the output.
            0..=b' ' | 0x7f => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => START | CONTINUE,
            b'0'..=b'9' => DIGIT | CONTINUE,
            b'$' => CONTINUE,
            b'+' | b'-' | b'*' | b'/' | b'<' | b'>' | b'=' | b'~' | b'!' | b'@' | b'#' | b'%'
            | b'^' | b'&' | b'|' | b'`' | b'?' => OPERATOR,
            _ => 0,
        };
        byte += 1;
    }
    table
}

fn is(byte: u8, class: u8) -> bool {
    CLASS[byte as usize] & class != 0
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Kind {
    /// Key word or unquoted identifier.
    Word,
    /// `"…"` and `U&"…"`.
    Quoted,
    /// Any numeric literal, without its sign.
    Number,
    /// `'…'` and `N'…'` without backslash escapes.
    String,
    /// `E'…'`, and plain strings where `standard_conforming_strings` is off.
    Escape,
    /// `B'…'`, `X'…'` and `U&'…'` with its `UESCAPE`.
    Special,
    /// `$tag$…$tag$`.
    Dollar,
    /// `$1`.
    Param,
    /// Operator; also a lone `?`, which a normalised text has in place of literals.
    Op,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Comma,
    Dot,
    /// `::`
    Cast,
    Semicolon,
    /// `/* … */`, nested.
    Comment,
    /// `-- …`
    LineComment,
    /// A byte that starts no token; also `:`.
    #[default]
    Other,
}

/// A token as a range of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// A string that is what stands between its two quotes: no escape, doubled quote or continuation.
    pub plain: bool,
}

/// Cuts a text into tokens. Blanks are skipped, comments are tokens.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    source: &'a [u8],
    /// Where the next token is looked for.
    pub position: usize,
    backslash: bool,
    /// A quoted thing ran to the end of the text.
    open: Cell<bool>,
}

impl<'a> Lexer<'a> {
    pub fn new(source: &'a [u8], standard_conforming_strings: bool) -> Self {
        Self {
            source,
            position: 0,
            backslash: !standard_conforming_strings,
            open: Cell::new(false),
        }
    }

    /// A string or a quoted identifier never ended: what came before may have been read wrongly too.
    pub fn is_open(&self) -> bool {
        self.open.get()
    }

    /// The end of the text, for something that has no end of its own.
    fn never_ends(&self) -> usize {
        self.open.set(true);
        self.source.len()
    }

    /// The bytes of a token.
    pub fn raw(&self, token: Token) -> &'a [u8] {
        &self.source[token.start..token.end]
    }

    /// The byte at an offset from the next token's earliest place; 0 past the end.
    pub fn peek(&self, offset: usize) -> u8 {
        self.at(self.position + offset)
    }

    fn at(&self, position: usize) -> u8 {
        self.source.get(position).copied().unwrap_or(0)
    }

    /// The next token, `None` at the end.
    pub fn next(&mut self) -> Option<Token> {
        while is(*self.source.get(self.position)?, SPACE) {
            self.position += 1;
        }
        let start = self.position;
        let first = self.source[start];
        let second = self.at(start + 1);
        let mut plain = false;
        let (kind, end) = match first {
            b'"' => (Kind::Quoted, self.quoted(start + 1)),
            b'\'' => {
                let (end, simple) = self.string(start + 1, self.backslash);
                plain = simple;
                let kind = if self.backslash && !plain {
                    Kind::Escape
                } else {
                    Kind::String
                };
                (kind, end)
            }
            b'(' => (Kind::Open, start + 1),
            b')' => (Kind::Close, start + 1),
            b',' => (Kind::Comma, start + 1),
            b'[' => (Kind::OpenBracket, start + 1),
            b']' => (Kind::CloseBracket, start + 1),
            b';' => (Kind::Semicolon, start + 1),
            b'0'..=b'9' => (Kind::Number, self.number(start)),
            b'.' if is(second, DIGIT) => (Kind::Number, self.number(start)),
            // The normaliser's own mark for what it did not read.
            b'.' if second == b'.' && self.at(start + 2) == b'.' => (Kind::Other, start + 3),
            b'.' => (Kind::Dot, start + 1),
            b':' if second == b':' => (Kind::Cast, start + 2),
            b':' if second == b'=' => (Kind::Op, start + 2),
            b'$' if is(second, DIGIT) => {
                let mut end = start + 1;
                while is(self.at(end), DIGIT) {
                    end += 1;
                }
                (Kind::Param, end)
            }
            b'$' => match self.dollar(start) {
                Some(end) => (Kind::Dollar, end),
                None => (Kind::Other, start + 1),
            },
            b'-' if second == b'-' => (Kind::LineComment, self.line_end(start)),
            b'/' if second == b'*' => (Kind::Comment, self.comment(start)),
            _ if is(first, OPERATOR) => (Kind::Op, self.operator(start)),
            _ if is(first, START) => {
                let token = self.prefixed(start, first | 0x20, second);
                plain = token.2;
                (token.0, token.1)
            }
            _ => (Kind::Other, start + 1),
        };
        self.position = end;
        Some(Token {
            kind,
            start,
            end,
            plain,
        })
    }

    /// A string or identifier with a letter before its quote, or a word.
    fn prefixed(&self, start: usize, letter: u8, second: u8) -> (Kind, usize, bool) {
        if second == b'\'' {
            match letter {
                b'e' => return (Kind::Escape, self.string(start + 2, true).0, false),
                b'n' => {
                    let (end, plain) = self.string(start + 2, self.backslash);
                    let kind = if self.backslash && !plain {
                        Kind::Escape
                    } else {
                        Kind::String
                    };
                    return (kind, end, plain);
                }
                b'b' | b'x' => return (Kind::Special, self.string(start + 2, false).0, false),
                _ => {}
            }
        } else if second == b'&' && letter == b'u' {
            match self.at(start + 2) {
                b'"' => return (Kind::Quoted, self.quoted(start + 3), false),
                b'\'' => {
                    let (end, _) = self.string(start + 3, false);
                    return (Kind::Special, self.uescape(end), false);
                }
                _ => {}
            }
        }
        let mut end = self.word_end(start + 1);
        // The normaliser's own names, which are to be read as it wrote them.
        if self.at(end) == b'#' && matches!(&self.source[start..end], b"_pg3_" | b"PGBOUNCER_") {
            end += 1;
        }
        (Kind::Word, end, false)
    }

    fn digits(&self, mut position: usize) -> usize {
        loop {
            let byte = self.at(position);
            if is(byte, DIGIT) || byte == b'_' && is(self.at(position + 1), DIGIT) {
                position += 1;
            } else {
                return position;
            }
        }
    }

    fn number(&self, start: usize) -> usize {
        if self.source[start] == b'0' && matches!(self.at(start + 1) | 0x20, b'x' | b'o' | b'b') {
            let mut end = start + 2;
            while self.at(end).is_ascii_hexdigit() || self.at(end) == b'_' {
                end += 1;
            }
            if end > start + 2 {
                return end;
            }
        }
        let mut end = self.digits(start);
        // `1..2` is `1`, `..`, `2` (a FOR loop's range).
        if self.at(end) == b'.' && self.at(end + 1) != b'.' {
            end = self.digits(end + 1);
        }
        if self.at(end) | 0x20 == b'e' {
            let sign = usize::from(matches!(self.at(end + 1), b'+' | b'-'));
            if is(self.at(end + 1 + sign), DIGIT) {
                end = self.digits(end + 1 + sign);
            }
        }
        end
    }

    fn operator(&self, start: usize) -> usize {
        let mut end = start + 1;
        while is(self.at(end), OPERATOR) {
            let next = self.at(end + 1);
            if matches!((self.source[end], next), (b'-', b'-') | (b'/', b'*')) {
                break;
            }
            end += 1;
        }
        // A longer operator ends in a sign only if it has one of these, so that `a=-1` is what it looks like.
        let special = |b: &u8| b"~!@#%^&|`?".contains(b);
        while end > start + 1
            && matches!(self.source[end - 1], b'+' | b'-')
            && !self.source[start..end - 1].iter().any(special)
        {
            end -= 1;
        }
        end
    }

    fn line_end(&self, start: usize) -> usize {
        let rest = &self.source[start..];
        memchr2(b'\n', b'\r', rest).map_or(self.source.len(), |at| start + at)
    }

    /// The end of a comment that begins at `start`.
    pub fn comment(&self, start: usize) -> usize {
        let mut depth = 1;
        let mut position = start + 2;
        while let Some(at) = memchr2(b'*', b'/', &self.source[position..]) {
            position += at;
            match (self.source[position], self.at(position + 1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    position += 2;
                    if depth == 0 {
                        return position;
                    }
                }
                (b'/', b'*') => {
                    depth += 1;
                    position += 2;
                }
                _ => position += 1,
            }
        }
        // Everything up to here was read rightly, and a comment is not kept in any case.
        self.source.len()
    }
}
