//! Runs of what Django writes most, taken in one go: column lists and lists of literals.
//!
//! Only the plainest spelling is known here; for anything else the answer is "no run", and the text is cut into
//! tokens as ever.

use super::{CONTINUE, DIGIT, Kind, Lexer, SPACE, START, is};
use memchr::memchr;

/// A literal with what stands between it and the `,` or `)` behind it.
pub(in crate::sql) struct Plain<'a> {
    /// Number or String; Word for NULL, TRUE and FALSE.
    pub kind: Kind,
    /// The literal as written, without its cast.
    pub raw: &'a [u8],
    /// Where the `,` or `)` stands.
    pub end: usize,
}

impl<'a> Lexer<'a> {
    /// The end of `."b", "c"."d"` behind a quoted identifier, up to a name that `stops`; `commas` tells whether a
    /// comma may be part of it.
    pub fn names(&self, mut end: usize, commas: bool, stops: fn(&[u8]) -> bool) -> usize {
        loop {
            let start = match self.source.get(end..).unwrap_or_default() {
                [b'.', b'"', ..] => end + 2,
                [b',', b' ', b'"', ..] if commas => end + 3,
                _ => return end,
            };
            let next = self.quoted(start);
            if stops(&self.source[start..next]) {
                return end;
            }
            end = next;
        }
    }

    /// The first byte at or behind `at` that is no blank.
    pub fn unspaced(&self, mut at: usize) -> usize {
        while self.source.get(at).is_some_and(|&byte| is(byte, SPACE)) {
            at += 1;
        }
        at
    }

    /// The byte at a place; 0 past the end.
    pub fn byte(&self, at: usize) -> u8 {
        self.at(at)
    }

    /// The text from a place on.
    pub fn rest(&self, at: usize) -> &'a [u8] {
        self.source.get(at..).unwrap_or_default()
    }

    /// An element of a list at or behind `at` that another one follows, where it is plain.
    pub fn element(&self, at: usize) -> Option<Plain<'a>> {
        let element = self.plain(self.unspaced(at))?;
        (self.at(element.end) == b',').then_some(element)
    }

    /// The length of the plain number that begins at `start`; `None` where none does.
    pub fn number_length(&self, start: usize) -> Option<usize> {
        let rest = self.rest(start);
        is(*rest.first()?, DIGIT).then(|| plain_number(rest))
    }

    /// The length of the string that begins at `start`, up to the next quote; `None` where none does.
    pub fn string_length(&self, start: usize) -> Option<usize> {
        let rest = self.rest(start);
        Some(find(b'\'', rest.strip_prefix(b"'")?, 0)? + 2)
    }

    /// The literal that begins at `start`, where it is plain and right before a `,` or `)`.
    pub fn plain(&self, start: usize) -> Option<Plain<'a>> {
        let rest = self.source.get(start..)?;
        let (kind, length) = match *rest.first()? {
            b'0'..=b'9' => (Kind::Number, plain_number(rest)),
            b'\'' if !self.backslash => (Kind::String, find(b'\'', rest, 1)? + 1),
            b'N' if rest.starts_with(b"NULL") => (Kind::Word, 4),
            b't' if rest.starts_with(b"true") => (Kind::Word, 4),
            b'f' if rest.starts_with(b"false") => (Kind::Word, 5),
            _ => return None,
        };
        let mut end = start + length;
        if self.at(end) == b':' && self.at(end + 1) == b':' && is(self.at(end + 2), START) {
            end = self.word_end(end + 3);
        }
        matches!(self.at(end), b',' | b')').then_some(Plain {
            kind,
            raw: &rest[..length],
            end,
        })
    }

    /// The end of a word of which one byte has been read.
    pub(super) fn word_end(&self, start: usize) -> usize {
        let rest = self.source.get(start..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !is(byte, CONTINUE));
        start + length.unwrap_or(rest.len())
    }
}

/// The length of `12` and `12.5`; what follows any other number is neither `,` nor `)` nor `::`.
fn plain_number(text: &[u8]) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let length = rest.iter().position(|&byte| !is(byte, DIGIT));
        from + length.unwrap_or(rest.len())
    };
    let whole = digits(1);
    match text.get(whole) {
        Some(b'.') => digits(whole + 1),
        _ => whole,
    }
}

/// Where `byte` stands next, at or behind `from`. What is between quotes is mostly shorter than what pays for a call
/// of `memchr`: the first words of eight bytes are looked at here.
pub(super) fn find(byte: u8, source: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const WORDS: usize = 4;
    let mut rest = source.get(from..)?;
    let mut at = from;
    for _ in 0..WORDS {
        let Some((word, behind)) = rest.split_first_chunk() else {
            return rest.iter().position(|&b| b == byte).map(|found| at + found);
        };
        // A zero byte where `byte` stands; the lowest that borrows is the first ("Hacker's Delight", 6-1).
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        rest = behind;
        at += 8;
    }
    memchr(byte, rest).map(|found| at + found)
}
