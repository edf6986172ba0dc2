//! The normaliser's rewrite rules, one statement at a time.
//!
//! Tokens are written as they come and the output is cut back where a list turns out to repeat itself: an
//! element, a row or a WHEN arm that came out as the one before it is taken back. So the output of
//! `IN (1, 2, …)` never grows beyond two elements, and one pass is enough.
//!
//! Blanks are laid out anew from token to token, because drivers differ in them (psycopg writes `id = -5` as
//! `id =  -5`), and because it keeps the text the same when it is normalised once more.

mod brackets;
mod head;
mod keys;
mod operands;
mod resume;
mod runs;
mod trace;

use super::keyword::Key;
use super::lexer::{Kind, Lexer, Token};
use super::list::{Frame, Nest, counted_name};
use super::literal;
use super::normalise::Part;
use head::Head;
pub(super) use trace::{Slot, Trace, What};

/// Deepest nesting that is followed; what lies deeper is written but not collapsed.
const MAX_DEPTH: usize = 128;

/// What the last token was, as far as the next one cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Last {
    #[default]
    Nothing,
    /// `(` or `[`
    Open,
    /// `)` or `]`
    Close,
    Comma,
    Dot,
    Cast,
    Op,
    Quoted,
    Literal,
    /// A name after `::`.
    Type,
    Word(Key),
}

/// `SELECT 1` and nothing else, token by token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Probe {
    #[default]
    Start,
    Select,
    One,
    No,
}

/// Where the part of the text that a COUNT shares with its SELECT begins and ends, in `out` and in `literals`.
#[derive(Clone, Copy, Debug, Default)]
struct Shared {
    select: bool,
    from: Option<(usize, usize)>,
    to: Option<(usize, usize)>,
}

/// A statement on its way. Buffers are reused from statement to statement.
#[derive(Default, Debug)]
pub(super) struct Rewriter {
    /// The normalised text so far.
    out: Vec<u8>,
    /// Canonical literals so far, a NUL after each.
    literals: Vec<u8>,
    /// Open brackets around the current one.
    outer: Vec<Frame>,
    current: Frame,
    /// Open brackets beyond `MAX_DEPTH`.
    beyond: usize,
    last: Last,
    /// End of the last token in the source.
    end: usize,
    /// Start of the last word in `out`.
    word: usize,
    head: Head,
    probe: Probe,
    /// `probe` before the token at hand.
    before: Probe,
    shared: Shared,
    /// The top-level WHERE has been read.
    asks: bool,
    /// Bytes of `literals` before it.
    set: usize,
    part: Part,
    /// The token that is being written.
    at: Token,
    trace: Trace,
}

impl Rewriter {
    /// Forgets the statement.
    pub fn reset(&mut self) {
        self.out.clear();
        self.literals.clear();
        self.outer.clear();
        self.current = Frame::default();
        self.beyond = 0;
        self.last = Last::Nothing;
        self.head = Head::Start;
        self.probe = Probe::Start;
        self.before = Probe::Start;
        self.end = 0;
        self.shared = Shared::default();
        self.asks = false;
        self.set = 0;
        self.part = Part::default();
    }

    /// Gives memory back that a long text took.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.out.shrink_to(bytes);
        self.literals.shrink_to(bytes);
    }

    /// A quoted thing never ended, so that a quote before it may have been misplaced and what looks like a name may
    /// be part of a literal: only the command is kept. The server refuses such a text.
    pub fn give_up(&mut self) {
        let command = self
            .out
            .iter()
            .take_while(|byte| byte.is_ascii_alphabetic())
            .count();
        self.out.truncate(command);
        self.out.extend_from_slice(b" ...");
    }

    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        self.last == Last::Nothing
    }

    /// A `;` here ends the statement.
    pub fn at_top(&self) -> bool {
        self.beyond == 0
            && self.current.nest.is_loose()
            && self.outer.iter().all(|frame| frame.nest.is_loose())
    }

    /// The normalised text.
    pub fn text(&self) -> &[u8] {
        &self.out
    }

    /// Takes back a list whose end was not read.
    pub fn cut(&mut self) {
        let frames = self.outer.iter().chain(std::iter::once(&self.current));
        if let Some(end) = frames.filter_map(Frame::cut).next() {
            self.out.truncate(end);
        }
        self.part.in_arity = self.part.in_arity.max(self.open_items(Nest::In));
        self.part.case_arms = self.part.case_arms.max(self.open_items(Nest::Case));
        self.probe = Probe::No;
    }

    /// Writes a statement of which nothing was read.
    pub fn unread(&mut self) {
        self.out.push(b'?');
        self.last = Last::Literal;
    }

    fn open_items(&self, nest: Nest) -> u32 {
        let frames = self.outer.iter().chain(std::iter::once(&self.current));
        let open = frames.filter(|frame| frame.nest == nest);
        open.map(|frame| frame.items).max().unwrap_or(0)
    }

    /// The statement's numbers; `seed` sets texts apart that were not read to their end.
    pub fn part(&mut self, seed: u64) -> Part {
        let hash = |bytes: &[u8]| xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed);
        let values = |bytes: &[u8]| if bytes.is_empty() { 0 } else { hash(bytes) };
        let mut part = self.part;
        part.fingerprint.0 = hash(&self.out);
        part.literals = values(&self.literals);
        part.probe = self.probe == Probe::One;
        let is_update = self.out.starts_with(b"UPDATE");
        let set = if is_update { self.set } else { 0 };
        part.set_literals = values(self.literals.get(..set).unwrap_or_default());
        let mut shared = (0, self.literals.len());
        part.loose = part.fingerprint.0;
        part.loose_literals = part.literals;
        if let Some((from, first)) = self.shared.from {
            let whole = (self.out.len(), self.literals.len());
            let (to, last) = self.shared.to.unwrap_or(whole);
            part.loose = hash(self.out.get(from..to).unwrap_or_default());
            part.loose_literals = values(self.literals.get(first..last).unwrap_or_default());
            shared = (first, last);
        }
        self.trace.set_marks(shared, set);
        part
    }

    /// Writes a token. Comments and the `;` between statements are the caller's.
    pub fn token(&mut self, token: Token, lexer: &mut Lexer<'_>) {
        let raw = lexer.raw(token);
        self.at = token;
        self.before = std::mem::replace(&mut self.probe, Probe::No);
        if self.head(token, raw) {
            self.trace.stop();
            self.end = lexer.position;
            return;
        }
        match token.kind {
            Kind::Word => self.word(raw, lexer),
            Kind::Quoted => {
                self.space();
                self.quoted(token, raw, lexer);
            }
            Kind::Number => self.number(b"", raw, lexer),
            Kind::String | Kind::Escape | Kind::Special | Kind::Dollar => {
                literal::push(raw, token, &mut self.literals);
                self.literal(lexer);
            }
            Kind::Param => {
                if self.is_key() {
                    self.part.keys.push_param(raw);
                }
                self.placeholder(lexer);
            }
            Kind::Op => self.operator(raw, lexer),
            Kind::Open => self.open(token.start > self.end),
            Kind::OpenBracket => self.open_bracket(),
            Kind::Close => self.close(),
            Kind::CloseBracket => self.close_bracket(lexer),
            Kind::Comma => {
                if self.beyond == 0 && self.current.nest.is_list() {
                    self.current.finish_item(&mut self.out);
                }
                self.out.push(b',');
                if self.beyond == 0 && self.current.nest.is_list() {
                    self.current.start_item(self.out.len());
                }
                self.last = Last::Comma;
                self.run(lexer);
            }
            Kind::Dot => {
                self.out.push(b'.');
                self.last = Last::Dot;
            }
            Kind::Cast => {
                self.out.extend_from_slice(b"::");
                self.last = Last::Cast;
            }
            Kind::Semicolon => {
                self.out.push(b';');
                self.last = Last::Op;
            }
            Kind::Other => {
                self.space();
                self.out.extend_from_slice(raw);
                self.last = Last::Op;
            }
            Kind::Comment | Kind::LineComment => {}
        }
        self.end = lexer.position;
    }

    /// The blank before anything but an opening or closing mark.
    fn space(&mut self) {
        self.current.rows_open = false;
        if !matches!(
            self.last,
            Last::Nothing | Last::Open | Last::Dot | Last::Cast
        ) {
            self.out.push(b' ');
        }
    }

    /// A quoted identifier, and with it those that follow in a list of columns: they come out as they are.
    fn quoted(&mut self, token: Token, raw: &[u8], lexer: &mut Lexer<'_>) {
        if let Some(name) = counted_name(unclosed(&raw[1..])) {
            self.out.push(b'"');
            self.out.extend_from_slice(name);
            self.out.extend_from_slice(b"#\"");
        } else {
            let commas = self.beyond > 0 || !self.current.nest.is_list();
            let counted = |name: &[u8]| counted_name(unclosed(name)).is_some();
            let end = lexer.names(token.end, commas, counted);
            lexer.position = end;
            self.out
                .extend_from_slice(lexer.raw(Token { end, ..token }));
        }
        self.last = if self.last == Last::Cast && lexer.position == token.end {
            Last::Type
        } else {
            Last::Quoted
        };
    }

    fn expects_operand(&self) -> bool {
        match self.last {
            Last::Nothing | Last::Open | Last::Comma | Last::Op => true,
            Last::Word(key) => key.expects_operand(),
            _ => false,
        }
    }

    fn word(&mut self, raw: &[u8], lexer: &mut Lexer<'_>) {
        let key = match (self.last, Key::of(raw)) {
            (Last::Dot | Last::Cast, _) => Key::None,
            (Last::Word(Key::Is), Key::Not) => Key::IsNot,
            (_, key) => key,
        };
        let after = match self.last {
            Last::Word(key) => key,
            _ => Key::None,
        };
        match key {
            Key::Null if self.expects_operand() && !after.keeps_null() => {
                return self.constant(b"null", lexer);
            }
            Key::True if !matches!(after, Key::Is | Key::IsNot) => {
                return self.constant(b"true", lexer);
            }
            Key::False if !matches!(after, Key::Is | Key::IsNot) => {
                return self.constant(b"false", lexer);
            }
            Key::When | Key::Else | Key::End if self.in_case() => {
                self.current.finish_item(&mut self.out);
                self.part.case_arms = self.part.case_arms.max(self.current.items);
            }
            Key::Select | Key::With | Key::Values
                if self.last == Last::Open && self.current.nest == Nest::In =>
            {
                self.current.nest = Nest::Paren;
                self.trace.take_back_list();
            }
            _ => {}
        }
        if self.outer.is_empty() && self.beyond == 0 {
            self.share(key, after);
        }
        self.space();
        if self.before == Probe::Start && raw == b"SELECT" {
            self.probe = Probe::Select;
        }
        self.word = self.out.len();
        match counted_name(raw).filter(|_| matches!(raw[0], b'_' | b'P')) {
            Some(name) => {
                self.out.extend_from_slice(name);
                self.out.push(b'#');
            }
            None => self.out.extend_from_slice(raw),
        }
        match key {
            Key::Case if self.beyond == 0 && self.outer.len() < MAX_DEPTH => {
                self.push(Frame::new(Nest::Case, self.word));
            }
            Key::When if self.in_case() => self.current.start_item(self.word),
            Key::End if self.in_case() => self.pop(),
            Key::Values => self.current.open_rows(),
            _ => {}
        }
        self.last = if self.last == Last::Cast {
            Last::Type
        } else {
            Last::Word(key)
        };
    }

    /// Notes the limits of what a COUNT shares with its SELECT: FROM, WHERE and GROUP BY at the top level.
    fn share(&mut self, key: Key, after: Key) {
        let here = (self.out.len(), self.literals.len());
        match key {
            // Of several, such as those of a UNION, the last counts.
            Key::Where => {
                self.asks = true;
                self.set = self.literals.len();
                self.part.keys.clear();
                self.trace.forget_keys();
            }
            Key::Select => self.shared.select = true,
            Key::From if self.shared.select && after != Key::Distinct => {
                self.shared.from.get_or_insert(here);
            }
            Key::Tail | Key::Limit | Key::Offset if self.shared.from.is_some() => {
                self.shared.to.get_or_insert(here);
            }
            _ => {}
        }
    }

    fn in_case(&self) -> bool {
        self.beyond == 0 && self.current.nest == Nest::Case
    }
}

/// A quoted identifier without its closing quote.
fn unclosed(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"\"").unwrap_or(name)
}
