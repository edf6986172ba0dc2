//! The normaliser: a message text in one pass to statements without literals.

use super::Fingerprint;
use super::beginning::{self, Found, Mark};
use super::ending::{LONGEST, Literals, Same};
use super::keys::Keys;
use super::lexer::{Kind, Lexer};
use super::rewrite::Rewriter;
use std::sync::Arc;

/// Bytes of a message text that are read at most; what lies behind counts by its length's order of magnitude.
const MAX_LEXED: usize = 64 * 1024;
/// Bytes of a statement's normalised text that are kept at most.
const MAX_TEXT: usize = 16 * 1024;
/// Bytes of each buffer that survive [`Digest::shrink`].
const KEEP: usize = 4 * 1024;
/// Bytes of comments that are kept at most, for one message.
const MAX_COMMENT: usize = 4 * 1024;

/// What the server told about how it reads string literals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// `standard_conforming_strings`: where off, a backslash escapes inside plain `'…'` too.
    pub standard_conforming_strings: bool,
}

impl Default for Dialect {
    /// The server's own default since PostgreSQL 9.1.
    fn default() -> Self {
        Self {
            standard_conforming_strings: true,
        }
    }
}

/// What one pass leaves of one message text. Buffers are reused from text to text.
#[derive(Default, Debug)]
pub struct Digest {
    /// Normalised texts of all parts, one after the other.
    text: String,
    /// The same of a text that is known but for its literals: most are, and need not be copied.
    known: Option<Arc<str>>,
    /// Raw bodies of the comments that may carry tags, each ended by a newline.
    comment: Vec<u8>,
    parts: Vec<Part>,
    rewriter: Rewriter,
    literals: Literals,
}

/// One statement of a message text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Part {
    /// Hash of the normalised text.
    pub fingerprint: Fingerprint,
    /// Where its text starts and ends in the digest.
    pub range: (u32, u32),
    /// Hash of all literals in order, canonicalised (a uuid with or without dashes, ` -5` and `-5` hash alike);
    /// 0 where there are none. Parameters (`$1`) and the `1` and `21` of LIMIT, which stay in the text, are none.
    pub literals: u64,
    /// How many literals.
    pub literal_count: u32,
    /// Members of the largest `IN` list (0: none).
    pub in_arity: u32,
    /// Rows of `VALUES` (0: none).
    pub values_rows: u32,
    /// Arms of the longest `CASE WHEN … THEN …` run (0: none).
    pub case_arms: u32,
    /// Value of a literal `OFFSET`; the largest of several.
    pub offset: Option<u64>,
    /// The text, comments and `;` removed, is exactly `SELECT 1`: Django's health check
    /// (`django/db/backends/postgresql/base.py`, `is_usable`).
    pub probe: bool,
    /// The text, comments aside, starts with `SELECT set_config('TimeZone'`: how Django sets a connection up
    /// (`django/db/backends/postgresql/base.py`, `_configure_timezone`).
    pub time_zone: bool,
    /// Hash of a SELECT's FROM, WHERE and GROUP BY, to pair `COUNT(*)` and `exists()` with their `SELECT`: without
    /// the list and without ORDER BY, LIMIT, OFFSET and FOR. The fingerprint where there is no such text.
    pub loose: u64,
    /// Hash of the literals in the text that `loose` is the hash of; 0 where there are none.
    pub loose_literals: u64,
    /// Hash of the literals before the top-level WHERE of an UPDATE, those that it sets; 0 where there are none, and
    /// for other statements.
    pub set_literals: u64,
    /// The values that its WHERE asks for.
    pub keys: Keys,
}

impl Digest {
    /// An empty digest; its buffers grow with what is read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives memory back that a long text took.
    pub fn shrink(&mut self) {
        self.text.shrink_to(KEEP);
        self.comment.shrink_to(KEEP);
        self.rewriter.shrink_to(KEEP);
        self.literals.shrink_to(KEEP);
    }

    /// Reads a message text anew. `sql` may be a prefix of the real text, of `total` bytes.
    ///
    /// An empty text (or nothing but comments and `;`) has no parts. At most 64 KiB are read; of a longer text the
    /// fingerprint also tells the length's power of two. Where nothing but comments was read of a longer text, it has
    /// one part, `?`.
    pub fn read(&mut self, sql: &[u8], total: usize, dialect: Dialect) {
        self.text.clear();
        self.known = None;
        self.comment.clear();
        self.parts.clear();
        self.rewriter.reset();
        self.rewriter.trace().stop();
        let sql = &sql[..sql.len().min(MAX_LEXED)];
        let mut lexer = Lexer::new(sql, dialect.standard_conforming_strings);
        // End of the leading comments, once a token stands behind them.
        let mut leading = None;
        let backslash = !dialect.standard_conforming_strings;
        let mut mark = beginning::mark(sql, backslash);
        let known = mark.map_or(Found::Nothing, |mark| {
            self.resume(sql, total, backslash, mark)
        });
        if known == Found::All {
            return;
        }
        let resumed = mark.filter(|_| known == Found::Beginning);
        if let Some(resumed) = resumed {
            lexer.position = resumed.word;
            leading = Some(0);
            mark = None;
        }
        while let Some(token) = lexer.next() {
            match token.kind {
                Kind::Comment | Kind::LineComment => {
                    let may_stay = token.kind == Kind::Comment && token.end == sql.len();
                    self.rewriter.trace().comment(token.start, may_stay);
                    self.note(lexer.raw(token));
                }
                Kind::Semicolon if self.rewriter.at_top() => self.finish(0),
                _ => {
                    // Only comments behind the last token are kept.
                    let leading = *leading.get_or_insert(self.comment.len());
                    self.comment.truncate(leading);
                    if let Some(new) = mark.filter(|mark| token.start >= mark.word) {
                        mark = None;
                        let fresh = leading == 0 && self.parts.is_empty() && !lexer.is_open();
                        if fresh && token.start == new.word && self.rewriter.has_no_literal() {
                            beginning::note(new, &self.rewriter);
                        }
                    }
                    self.rewriter.token(token, &mut lexer);
                }
            }
        }
        if total > sql.len() {
            self.rewriter.cut();
            if self.rewriter.is_empty() && self.parts.is_empty() {
                self.rewriter.unread();
            }
            self.finish(u64::from(total.ilog2()) + 1);
        } else {
            if lexer.is_open() {
                self.rewriter.give_up();
                self.rewriter.trace().stop();
            }
            self.finish(0);
        }
        if let Some(mark) = resumed
            && self.rewriter.trace().is_on()
            && let [part] = self.parts.as_slice()
        {
            beginning::note_ending(sql, mark, &mut self.rewriter, &self.text, part);
        }
        if self.parts.len() > 1 {
            for part in &mut self.parts {
                part.probe = false;
            }
        }
    }

    /// Takes what is known of a text of which so much was read.
    fn resume(&mut self, sql: &[u8], total: usize, backslash: bool, mark: Mark) -> Found {
        let may_be_known = !backslash && sql.len() == total && total <= LONGEST;
        let Self {
            known,
            parts,
            rewriter,
            literals,
            ..
        } = self;
        let mut comment = None;
        let literals = may_be_known.then_some(literals);
        let take = |same: Same<'_>| {
            *known = Some(Arc::clone(same.text));
            parts.push(same.part);
            comment = same.comment;
        };
        let found = beginning::resume(sql, mark, literals, take, rewriter);
        if let Some(start) = comment {
            self.note(&sql[start..]);
        }
        if found == Found::Beginning && may_be_known {
            self.rewriter.start_trace();
        }
        found
    }

    /// The statements in order, as the server will run them.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The normalised text of a part.
    pub fn text(&self, part: &Part) -> &str {
        let text = self.known.as_deref().unwrap_or(&self.text);
        &text[part.range.0 as usize..part.range.1 as usize]
    }

    /// Raw bodies of the first leading and last trailing comments, newline after each (newlines inside are blanks);
    /// empty without comments. Hints (`/*+ … */`) are left out.
    pub fn comment(&self) -> &[u8] {
        &self.comment
    }

    /// Keeps the body of a comment.
    fn note(&mut self, comment: &[u8]) {
        let body = match comment.strip_prefix(b"/*") {
            Some(body) => body.strip_suffix(b"*/").unwrap_or(body),
            None => comment.strip_prefix(b"--").unwrap_or(comment),
        };
        let room = MAX_COMMENT.saturating_sub(self.comment.len() + 1);
        if body.starts_with(b"+") || room == 0 {
            return;
        }
        let from = self.comment.len();
        self.comment
            .extend_from_slice(&body[..body.len().min(room)]);
        for byte in &mut self.comment[from..] {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
        self.comment.push(b'\n');
    }

    /// Ends the statement at hand, if there is one.
    fn finish(&mut self, seed: u64) {
        if self.rewriter.is_empty() {
            return;
        }
        let mut part = self.rewriter.part(seed);
        let raw = self.rewriter.text();
        let from = self.text.len();
        match std::str::from_utf8(raw) {
            Ok(text) => self
                .text
                .push_str(&text[..text.floor_char_boundary(MAX_TEXT)]),
            Err(_) => push_lossy(&mut self.text, raw),
        }
        part.range = (from as u32, self.text.len() as u32);
        self.parts.push(part);
        self.rewriter.reset();
    }
}

fn push_lossy(text: &mut String, raw: &[u8]) {
    let end = text.len() + MAX_TEXT;
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        if text.len() >= end {
            text.truncate(text.floor_char_boundary(end));
            return;
        }
    }
}
