//! Values as numbers that can be compared, whichever way they came: as a literal of a text, bound as text or in binary,
//! or in a row.
//!
//! A value is never kept: what stands for it is a 64-bit hash. 0 stands for no value (NULL, or not seen).

use xxhash_rust::xxh3::xxh3_64;

/// Longest text that is compared, bytes: a key is short. Longer ones are no value.
const MAX_TEXT: usize = 64;

/// The hash of a value in its text form: integers by their number, uuids with or without dashes alike.
pub fn text(bytes: &[u8]) -> u64 {
    if let Some(number) = integer(bytes) {
        return of_integer(number);
    }
    if let Some(number) = uuid(bytes) {
        return of_uuid(number);
    }
    if bytes.len() > MAX_TEXT {
        return 0;
    }
    xxh3_64(bytes).max(1)
}

/// The hash of an integer.
pub fn of_integer(number: i64) -> u64 {
    // SplitMix64: a bijection, so that two integers never meet, spread over all 64 bits.
    let mut hash = (number as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)).max(1)
}

/// The hash of a uuid.
pub fn of_uuid(number: u128) -> u64 {
    xxh3_64(&number.to_be_bytes()).max(1)
}

/// A value in the binary form of a type: integers of 2, 4 or 8 bytes, uuids of 16; anything else is text.
pub fn binary(bytes: &[u8]) -> u64 {
    match *bytes {
        [a, b] => of_integer(i64::from(i16::from_be_bytes([a, b]))),
        [a, b, c, d] => of_integer(i64::from(i32::from_be_bytes([a, b, c, d]))),
        [a, b, c, d, e, f, g, h] => of_integer(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
        _ => match <[u8; 16]>::try_from(bytes) {
            Ok(uuid) => of_uuid(u128::from_be_bytes(uuid)),
            Err(_) => text(bytes),
        },
    }
}

/// The number, where the text is one as the server writes it.
pub fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'-', digits @ ..] => natural(digits).map(|number| -number),
        _ => natural(bytes),
    }
}

#[inline]
fn natural(digits: &[u8]) -> Option<i64> {
    let (first, rest) = digits.split_first()?;
    // `007` is a text, and 19 digits may not fit.
    if digits.len() > 18 || !first.is_ascii_digit() || (*first == b'0' && !rest.is_empty()) {
        return None;
    }
    let mut number = i64::from(first - b'0');
    for digit in rest {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    Some(number)
}

fn uuid(bytes: &[u8]) -> Option<u128> {
    let dashed = match bytes.len() {
        32 => false,
        36 => true,
        _ => return None,
    };
    let mut number = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        if dashed && matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        number = number << 4 | u128::from(char::from(*byte).to_digit(16)?);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_hash_in_every_form() {
        assert_eq!(text(b"5"), binary(&[0, 5]));
        assert_eq!(text(b"-5"), binary(&(-5_i32).to_be_bytes()));
        assert_eq!(
            text(b"123456789012"),
            binary(&123_456_789_012_i64.to_be_bytes())
        );
        let uuid = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128;
        assert_eq!(
            text(b"0123456789abcdef0123456789abcdef"),
            binary(&uuid.to_be_bytes())
        );
        assert_eq!(
            text(b"0123456789ABCDEF0123456789abcdef"),
            text(b"01234567-89ab-cdef-0123-456789abcdef")
        );
        assert_eq!(text(b"abc"), binary(b"abc"));
    }

    #[test]
    fn different_values_have_different_hashes() {
        for (one, other) in [
            ("5", "6"),
            ("5", "05"),
            ("5", "-5"),
            ("5", "5 "),
            ("", "0"),
            ("-", "--"),
        ] {
            assert_ne!(
                text(one.as_bytes()),
                text(other.as_bytes()),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn no_value_has_the_hash_of_none_but_long_texts() {
        for number in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_ne!(of_integer(number), 0);
        }
        assert_ne!(text(b""), 0);
        assert_eq!(text(&[b'x'; 65]), 0);
    }

    #[test]
    fn odd_texts_are_texts() {
        for odd in [
            "",
            "-",
            "+5",
            "1e3",
            "99999999999999999999",
            "0123456789abcdef0123456789abcdeg",
        ] {
            assert_eq!(integer(odd.as_bytes()), None, "{odd}");
        }
        // Cut anywhere, nothing panics.
        for end in 0..36 {
            text(&b"01234567-89ab-cdef-0123-456789abcdef"[..end]);
        }
    }
}
