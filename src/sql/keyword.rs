//! The few key words that change how a text is normalised.

/// A key word's part in normalising.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// An identifier, or a word after which no operand is expected.
    None,
    /// A word after which an operand is expected, so that `-` is a sign and `?` stands for a literal.
    Operand,
    Array,
    Case,
    Default,
    Distinct,
    Else,
    End,
    False,
    /// `ORDER`, `FETCH`, `FOR`: with `LIMIT` and `OFFSET`, what may follow the WHERE and GROUP BY of a SELECT.
    Tail,
    From,
    In,
    Is,
    /// `NOT` right after `IS`.
    IsNot,
    Limit,
    Not,
    Null,
    Offset,
    Select,
    Set,
    True,
    Values,
    When,
    Where,
    With,
}

/// Up to eight letters as a number, in lower case.
const fn pack(word: &[u8]) -> u64 {
    let mut packed = 0;
    let mut at = 0;
    while at < word.len() {
        packed = packed << 8 | (word[at] | 0x20) as u64;
        at += 1;
    }
    packed
}

macro_rules! keys {
    ($packed:expr, $($word:literal => $key:expr,)*) => {{
        $(if $packed == const { pack($word) } { return $key; })*
        Key::None
    }};
}

impl Key {
    /// The part of a word, in any case.
    pub fn of(word: &[u8]) -> Self {
        let length = word.len();
        if length > 8 {
            return match word[0] | 0x20 {
                b'r' if word.eq_ignore_ascii_case(b"returning") => Self::Operand,
                b's' if word.eq_ignore_ascii_case(b"symmetric") => Self::Operand,
                _ => Self::None,
            };
        }
        let packed = pack(word);
        // By length first: an identifier is compared with a handful of words at most.
        match length {
            2 => keys!(packed,
                b"in" => Self::In, b"is" => Self::Is, b"on" => Self::Operand, b"by" => Self::Operand,
                b"or" => Self::Operand, b"to" => Self::Operand,
            ),
            3 => keys!(packed,
                b"and" => Self::Operand, b"not" => Self::Not, b"set" => Self::Set, b"end" => Self::End,
                b"for" => Self::Tail, b"any" => Self::Operand, b"all" => Self::Operand,
            ),
            4 => keys!(packed,
                b"from" => Self::From, b"null" => Self::Null, b"true" => Self::True, b"case" => Self::Case,
                b"when" => Self::When, b"then" => Self::Operand, b"else" => Self::Else,
                b"like" => Self::Operand, b"with" => Self::With, b"some" => Self::Operand,
                b"move" => Self::Operand,
            ),
            5 => keys!(packed,
                b"where" => Self::Where, b"limit" => Self::Limit, b"order" => Self::Tail,
                b"fetch" => Self::Tail, b"array" => Self::Array, b"false" => Self::False,
                b"ilike" => Self::Operand, b"using" => Self::Operand,
            ),
            6 => keys!(packed,
                b"select" => Self::Select, b"values" => Self::Values, b"offset" => Self::Offset,
                b"having" => Self::Operand, b"escape" => Self::Operand,
            ),
            7 => keys!(packed,
                b"between" => Self::Operand, b"default" => Self::Default, b"forward" => Self::Operand,
            ),
            8 => keys!(packed,
                b"distinct" => Self::Distinct, b"backward" => Self::Operand,
                b"absolute" => Self::Operand, b"relative" => Self::Operand,
            ),
            _ => Self::None,
        }
    }

    /// An operand may follow.
    pub fn expects_operand(self) -> bool {
        !matches!(
            self,
            Self::None | Self::Null | Self::True | Self::False | Self::End | Self::Array
        )
    }

    /// A NULL after this word is no literal.
    pub fn keeps_null(self) -> bool {
        matches!(
            self,
            Self::Is | Self::IsNot | Self::Not | Self::Default | Self::Set
        )
    }
}
