//! A normalised text as a list of words, to be read by rule.

use super::facts::Identifier;
use super::lexer::{Kind, Lexer};
use memchr::memchr;

/// Most tokens of a statement that are looked at; a statement text has 16 KiB.
const MAX_TOKENS: usize = 8192;

/// A token of a normalised text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// It stands for the key of this index, see [`super::keys::Keys`].
    pub key: Option<u8>,
}

impl<'a> Item<'a> {
    /// The key word `word`, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// One of the key words.
    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// The literal's `?`, or the number that LIMIT keeps.
    pub fn is_literal(&self) -> bool {
        self.text == "?" || self.kind == Kind::Number
    }

    /// The identifier, without its quotes.
    pub fn name(&self) -> Option<Identifier> {
        match self.kind {
            Kind::Word => Some(self.text.into()),
            Kind::Quoted => {
                let open = memchr(b'"', self.text.as_bytes())? + 1;
                let inner = &self.text[open..];
                let inner = inner.strip_suffix('"').unwrap_or(inner);
                Some(match memchr(b'"', inner.as_bytes()) {
                    None => inner.into(),
                    Some(_) => inner.replace("\"\"", "\"").into(),
                })
            }
            _ => None,
        }
    }
}

/// Cuts a normalised text into tokens.
pub(super) fn items(text: &str) -> Vec<Item<'_>> {
    let mut lexer = Lexer::new(text.as_bytes(), true);
    // Nearly no text has more.
    let mut items = Vec::with_capacity((text.len() / 3).min(MAX_TOKENS));
    while let Some(token) = lexer.next() {
        // A token begins and ends at ASCII or takes all of a run of other bytes, so this is never `None`.
        let Some(text) = text.get(token.start..token.end) else {
            continue;
        };
        items.push(Item {
            kind: token.kind,
            text,
            key: None,
        });
        if items.len() == MAX_TOKENS {
            break;
        }
    }
    number_keys(&mut items);
    items
}

/// Numbers the literals that the normaliser keeps as keys, by its own rule.
fn number_keys(items: &mut [Item<'_>]) {
    let (mut depth, mut cases, mut asks, mut keys) = (0_usize, 0_usize, false, 0_u8);
    for at in 0..items.len() {
        let item = items[at];
        let before = |back: usize| at.checked_sub(back).and_then(|at| items.get(at));
        match item.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if item.is("CASE") => cases += 1,
            _ if item.is("END") => cases = cases.saturating_sub(1),
            _ if item.is("WHERE") && depth == 0 => (asks, keys) = (true, 0),
            _ if asks && cases == 0 && item.text == "?" => {
                let opens = |back| before(back).is_some_and(|item| item.kind == Kind::Open);
                let lists = |back| before(back).is_some_and(|item| item.is("IN"));
                let key = before(1).is_some_and(|item| item.text == "=")
                    || (opens(1) && (lists(2) || (opens(2) && lists(3))));
                if key {
                    items[at].key = Some(keys);
                    keys = keys.saturating_add(1);
                }
            }
            _ => {}
        }
    }
}

/// A range of tokens that is read from its start. Copying it is cheap: looking ahead is reading a copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t, 'a> {
    items: &'t [Item<'a>],
}

impl<'t, 'a> Cursor<'t, 'a> {
    pub fn new(items: &'t [Item<'a>]) -> Self {
        Self { items }
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn items(&self) -> &'t [Item<'a>] {
        self.items
    }

    pub fn peek(&self) -> Option<Item<'a>> {
        self.items.first().copied()
    }

    pub fn next(&mut self) -> Option<Item<'a>> {
        let (first, rest) = self.items.split_first()?;
        self.items = rest;
        Some(*first)
    }

    /// Takes the key word if it is next.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|item| item.is(word));
        if found {
            self.next();
        }
        found
    }

    /// Takes a token of this kind if it is next.
    pub fn take_kind(&mut self, kind: Kind) -> bool {
        let found = self.peek().is_some_and(|item| item.kind == kind);
        if found {
            self.next();
        }
        found
    }

    /// Takes `(…)` if it is next: what stands inside.
    pub fn take_parens(&mut self) -> Option<Self> {
        if self.peek()?.kind != Kind::Open {
            return None;
        }
        let mut depth = 0usize;
        for (at, item) in self.items.iter().enumerate() {
            match item.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inner = Self::new(&self.items[1..at]);
                self.items = &self.items[at + 1..];
                return Some(inner);
            }
        }
        // No end: the text was cut.
        let inner = Self::new(&self.items[1..]);
        self.items = &[];
        Some(inner)
    }

    /// Takes everything up to the first token outside of brackets and CASE for which `stop` holds.
    pub fn take_until(&mut self, stop: impl Fn(&Item<'a>) -> bool) -> Self {
        let mut depth = 0usize;
        let mut end = self.items.len();
        for (at, item) in self.items.iter().enumerate() {
            if depth == 0 && stop(item) {
                end = at;
                break;
            }
            match item.kind {
                Kind::Open | Kind::OpenBracket => depth += 1,
                Kind::Close | Kind::CloseBracket => depth = depth.saturating_sub(1),
                Kind::Word if item.is("CASE") => depth += 1,
                Kind::Word if item.is("END") => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let (taken, rest) = self.items.split_at(end);
        self.items = rest;
        Self::new(taken)
    }

    /// Takes everything up to the next comma outside of brackets, and the comma; `None` at the end.
    pub fn take_element(&mut self) -> Option<Self> {
        if self.is_empty() {
            return None;
        }
        let element = self.take_until(|item| item.kind == Kind::Comma);
        self.next();
        Some(element)
    }

    /// Takes `[schema.]table`: the table.
    pub fn take_table(&mut self) -> Option<Identifier> {
        let mut name = self.take_name()?;
        while self.peek().is_some_and(|item| item.kind == Kind::Dot) {
            self.next();
            name = self.take_name()?;
        }
        Some(name)
    }

    fn take_name(&mut self) -> Option<Identifier> {
        let name = self.peek()?.name()?;
        self.next();
        Some(name)
    }
}
