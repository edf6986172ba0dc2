//! One spelling for literals that mean the same.
//!
//! psycopg 3 writes a string with a backslash as `E'…'`, psycopg2 as `'…'`; one writes a uuid as 32 hex digits,
//! the other with dashes. Values are compared by hash, so all must come out alike.

use super::lexer::{Kind, Lexer, Plain, Token, continued};

/// Appends the canonical bytes of a string literal.
pub(super) fn push(raw: &[u8], token: Token, out: &mut Vec<u8>) {
    let from = out.len();
    match token.kind {
        Kind::String if token.plain => {
            return push_plain(
                raw.strip_prefix(b"N")
                    .or(raw.strip_prefix(b"n"))
                    .unwrap_or(raw),
                out,
            );
        }
        Kind::String => unquote(raw, false, out),
        Kind::Escape => unquote(raw, true, out),
        Kind::Dollar => out.extend_from_slice(dollar_body(raw)),
        _ => {
            out.extend_from_slice(raw);
            return;
        }
    }
    undash(out, from);
}

/// Appends what stands between the two quotes of a plain string.
#[inline]
pub(super) fn push_plain(raw: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(raw.get(1..raw.len() - 1).unwrap_or_default());
    undash(out, from);
}

/// Appends the elements of a list from `at` on, as long as they are plain and another one follows. Returns how many, and
/// where they end.
pub(super) fn elements(lexer: &Lexer<'_>, mut at: usize, out: &mut Vec<u8>) -> (u32, usize) {
    let mut count = 0;
    loop {
        let (integers, end) = integers(lexer.rest(at), out);
        count += integers;
        at += end;
        let Some(element) = lexer.element(at) else {
            return (count, at);
        };
        push_element(&element, out);
        count += 1;
        at = element.end + 1;
    }
}

/// Those of `1, 2, 3` that are short and that a comma follows: what most lists are, eight bytes at a time.
fn integers(text: &[u8], out: &mut Vec<u8>) -> (u32, usize) {
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    const CARRY: u64 = u64::from_ne_bytes([0x80 - 10; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut count = 0;
    let mut rest = text;
    loop {
        let element = rest.strip_prefix(b" ").unwrap_or(rest);
        let Some(word) = element.first_chunk().map(|word| u64::from_le_bytes(*word)) else {
            break;
        };
        // The top bit of a byte that is no digit, up to the first of them.
        let digits = word ^ ZEROS;
        let others = (digits.wrapping_add(CARRY) | digits) & TOPS;
        let length = others.trailing_zeros() as usize / 8;
        if length == 0 || length == 8 || element.get(length) != Some(&b',') {
            break;
        }
        let number = word & ((1 << (8 * length)) - 1);
        let end = out.len() + length + 1;
        out.extend_from_slice(&number.to_le_bytes());
        out.truncate(end);
        count += 1;
        rest = &element[length + 1..];
    }
    (count, text.len() - rest.len())
}

/// Appends the canonical bytes of an element of a list, and its end.
#[inline]
pub(super) fn push_element(element: &Plain<'_>, out: &mut Vec<u8>) {
    match element.kind {
        Kind::String => push_plain(element.raw, out),
        Kind::Word => {
            out.push(1);
            out.extend(element.raw.iter().map(u8::to_ascii_lowercase));
        }
        _ => out.extend_from_slice(element.raw),
    }
    out.push(0);
}

/// The rows that an OFFSET of these digits leaves out.
pub(super) fn offset(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The text between the two tags; all of it where the second is missing.
fn dollar_body(raw: &[u8]) -> &[u8] {
    let tag = raw
        .iter()
        .skip(1)
        .position(|&b| b == b'$')
        .map_or(0, |at| at + 2);
    let body = &raw[tag..];
    body.strip_suffix(&raw[..tag]).unwrap_or(body)
}

/// Takes the dashes from a uuid.
fn undash(out: &mut Vec<u8>, from: usize) {
    let text = &out[from..];
    let uuid = text.len() == 36
        && text.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    if uuid {
        let mut at = 0;
        out.retain(|b| {
            at += 1;
            at <= from || *b != b'-'
        });
    }
}

fn unquote(raw: &[u8], escapes: bool, out: &mut Vec<u8>) {
    let mut at = raw
        .iter()
        .position(|&b| b == b'\'')
        .map_or(raw.len(), |quote| quote + 1);
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'\'' if raw.get(at) == Some(&b'\'') => {
                out.push(b'\'');
                at += 1;
            }
            b'\'' => match continued(raw, at) {
                Some(next) => at = next,
                None => return,
            },
            b'\\' if escapes => at = escape(raw, at, out),
            _ => out.push(byte),
        }
    }
}

/// Decodes the escape after a backslash; returns where it ends.
fn escape(raw: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let Some(&byte) = raw.get(at) else {
        return at;
    };
    let digits = |from: usize, most: usize, radix: u32| {
        let mut value = 0u32;
        let mut end = from;
        while end < from + most {
            let Some(digit) = raw.get(end).and_then(|&b| char::from(b).to_digit(radix)) else {
                break;
            };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            end += 1;
        }
        (value, end)
    };
    match byte {
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'0'..=b'7' => {
            let (value, end) = digits(at, 3, 8);
            out.push(value as u8);
            return end;
        }
        b'x' | b'u' | b'U' => {
            let most = match byte {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let (value, end) = digits(at + 1, most, 16);
            if end == at + 1 {
                out.push(byte);
            } else if byte == b'x' {
                out.push(value as u8);
            } else if let Some(char) = char::from_u32(value) {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            return end;
        }
        _ => out.push(byte),
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_taken_up_to_the_last_that_a_comma_follows() {
        let read = |text: &str| {
            let mut out = Vec::new();
            let lexer = Lexer::new(text.as_bytes(), true);
            let (count, end) = elements(&lexer, 0, &mut out);
            let out = String::from_utf8(out).expect("ASCII");
            (count, text[end..].to_owned(), out.replace('\0', "|"))
        };
        let expect = |count, rest: &str, out: &str| (count, rest.to_owned(), out.to_owned());
        assert_eq!(read("1, 22,333,  4, 5)"), expect(4, " 5)", "1|22|333|4|"));
        let long = "1234567, 12345678, 123456789, 1)     ";
        assert_eq!(
            read(long),
            expect(3, " 1)     ", "1234567|12345678|123456789|")
        );
        assert_eq!(
            read("1, 'a', NULL, 2::int, 3)"),
            expect(4, " 3)", "1|a|\u{1}null|2|")
        );
        assert_eq!(
            read("1, 2 , 3, 4, 5, 6)"),
            expect(1, " 2 , 3, 4, 5, 6)", "1|")
        );
        assert_eq!(
            read("1, 2x, 3, 4, 5, 6)"),
            expect(1, " 2x, 3, 4, 5, 6)", "1|")
        );
        assert_eq!(read(""), expect(0, "", ""));
        assert_eq!(read(",,,,,,,,,,"), expect(0, ",,,,,,,,,,", ""));
    }
}
