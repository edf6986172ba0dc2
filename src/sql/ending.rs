//! What follows a known beginning, where that too was read before but for its literals.
//!
//! The rules ask of a plain literal whether it is a number or a string and what stands around it, never what it says. So
//! a text that is the same as another but for plain literals comes out as that one does, with literals of its own. What
//! is between the literals is compared, byte for byte; nothing is cut into tokens.

use super::lexer::Lexer;
use super::literal;
use super::normalise::Part;
use super::rewrite::{Slot, Trace, What};
use super::value;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Longest text that is kept, bytes, as it came and as it is written.
pub(super) const LONGEST: usize = 4 * 1024;

/// A text behind its beginning, without its literals, and what had come of all of it.
#[derive(Debug)]
pub(super) struct Ending {
    /// What stands before, between and behind the literals.
    fixed: Box<[u8]>,
    literals: Box<[Place]>,
    /// A comment stands behind all that.
    comment: bool,
    text: Arc<str>,
    /// Without what the literals say.
    part: Part,
    /// Of the literals, those that `loose_literals` is of: from this one up to that one.
    loose: (usize, usize),
    /// Those before this one are in `set_literals`.
    set: usize,
}

/// Where a literal stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    what: What,
    /// Bytes of `fixed` between the literal before it and this one.
    before: u32,
    /// Its number among the keys of the statement.
    key: Option<u8>,
}

/// What is read of a text.
#[derive(Default, Debug)]
pub(super) struct Literals {
    /// In their canonical form, a NUL after each.
    bytes: Vec<u8>,
}

impl Literals {
    /// Gives memory back that a long text took.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
    }
}

/// A text that is one that was read before, but for its literals.
pub(super) struct Same<'e> {
    pub text: &'e Arc<str>,
    pub part: Part,
    /// Where a comment begins, up to the end of the text.
    pub comment: Option<usize>,
}

/// Tells endings apart that differ in more than their literals.
pub(super) fn shape(sql: &[u8], from: usize, trace: &Trace) -> u64 {
    let end = trace.end(sql);
    let mut at = from;
    let mut hash = u64::from(trace.has_comment());
    for slot in trace.slots() {
        let before = sql.get(at..slot.start as usize).unwrap_or_default();
        hash = xxh3_64_with_seed(before, hash.rotate_left(8) ^ slot.what as u64);
        at = slot.end as usize;
    }
    xxh3_64_with_seed(sql.get(at..end).unwrap_or_default(), hash)
}

impl Ending {
    /// Of a text of one statement that was read from `from` on. `None` where it is too long, or says more than can be
    /// told of one with other literals.
    pub fn new(sql: &[u8], from: usize, trace: &Trace, text: &str, part: &Part) -> Option<Self> {
        let slots = trace.slots();
        let runs = slots.iter().filter(|slot| slot.what == What::List).count();
        // Of several lists it is not known which is the largest.
        if text.len() > LONGEST || runs > 1 || (runs == 1 && trace.lists() > 1) {
            return None;
        }
        let mut fixed = Vec::new();
        let mut at = from;
        let mut literals = Vec::new();
        for slot in slots {
            let before = sql.get(at..slot.start as usize)?;
            fixed.extend_from_slice(before);
            literals.push(Place {
                what: slot.what,
                before: u32::try_from(before.len()).ok()?,
                key: slot.key,
            });
            at = slot.end as usize;
        }
        if slots
            .iter()
            .enumerate()
            .any(|(number, slot)| slot.what.is_list() && !ends(sql, slot, slots.get(number + 1)))
        {
            return None;
        }
        fixed.extend_from_slice(sql.get(at..trace.end(sql))?);
        let mut part = *part;
        part.literal_count -= slots.iter().map(|slot| slot.count).sum::<u32>();
        if let Some(list) = slots.iter().find(|slot| slot.what == What::List) {
            // One before and one behind them, or the list has no end.
            part.in_arity = part
                .in_arity
                .checked_sub(list.count)
                .filter(|&rest| rest >= 2)?;
        }
        let number = |bytes: usize| {
            let found = slots.iter().position(|slot| slot.literals >= bytes);
            found.unwrap_or(slots.len())
        };
        let ((first, last), set) = trace.marks();
        Some(Self {
            fixed: fixed.into(),
            literals: literals.into(),
            comment: trace.has_comment(),
            text: text.into(),
            part,
            loose: (number(first), number(last)),
            set: number(set),
        })
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.fixed.len() + size_of_val(&*self.literals) + self.text.len()
    }

    /// Reads a text, from `at` on, that is this one but for its literals; `None` where it is another.
    pub fn read(&self, sql: &[u8], at: usize, literals: &mut Literals) -> Option<Same<'_>> {
        let lexer = Lexer::new(sql, true);
        let out = &mut literals.bytes;
        out.clear();
        let mut part = self.part;
        let mut fixed = &*self.fixed;
        let mut rest = sql.get(at..)?;
        let mut offset = None;
        let mut marks = [0; 3];
        for (number, place) in self.literals.iter().enumerate() {
            self.mark(number, out.len(), &mut marks);
            let (before, behind) = fixed.split_at_checked(place.before as usize)?;
            fixed = behind;
            rest = rest.strip_prefix(before)?;
            if place.what.is_list() {
                let (count, end) = literal::elements(&lexer, sql.len() - rest.len(), out);
                part.literal_count += count;
                if place.what == What::List {
                    part.in_arity += count;
                }
                rest = sql.get(end..)?;
                continue;
            }
            let start = out.len();
            let length = place.what.length(&lexer, sql.len() - rest.len())?;
            let (raw, behind) = rest.split_at_checked(length)?;
            rest = behind;
            match place.what {
                What::String => literal::push_plain(raw, out),
                // These stay in the text.
                What::Limit if matches!(raw, b"1" | b"21") => return None,
                What::Offset => offset = offset.max(literal::offset(raw)),
                _ => {}
            }
            if place.what != What::String {
                out.extend_from_slice(raw);
            }
            if let Some(key) = place.key {
                part.keys
                    .set(usize::from(key), value::text(out.get(start..)?));
            }
            out.push(0);
        }
        self.mark(self.literals.len(), out.len(), &mut marks);
        let rest = rest.strip_prefix(fixed)?;
        let start = sql.len() - rest.len();
        let fits = match self.comment {
            true => rest.starts_with(b"/*") && lexer.comment(start) == sql.len(),
            false => rest.is_empty(),
        };
        if !fits {
            return None;
        }
        let hash = |from: usize, to: usize| match out.get(from..to) {
            None | Some([]) => 0,
            Some(bytes) => xxh3_64_with_seed(bytes, 0),
        };
        let [first, last, set] = marks;
        part.literals = hash(0, out.len());
        part.loose_literals = match (first, last) == (0, out.len()) {
            true => part.literals,
            false => hash(first, last),
        };
        part.set_literals = hash(0, set);
        part.offset = offset;
        Some(Same {
            text: &self.text,
            part,
            comment: self.comment.then_some(start),
        })
    }

    /// Notes where the literals before this one end, if that matters.
    fn mark(&self, number: usize, bytes: usize, marks: &mut [usize; 3]) {
        let wanted = [self.loose.0, self.loose.1, self.set];
        for (wanted, mark) in wanted.into_iter().zip(marks) {
            if wanted == number {
                *mark = bytes;
            }
        }
    }
}

/// The last element of a list is the next literal: what counts behind the list cannot be taken for a part of it.
fn ends(sql: &[u8], list: &Slot, next: Option<&Slot>) -> bool {
    let between = next.and_then(|next| sql.get(list.end as usize..next.start as usize));
    between.is_some_and(|between| between.iter().all(|byte| *byte == b' '))
}
