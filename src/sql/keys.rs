//! The values that a statement's WHERE asks for: `= 5` and `IN (5)`.

/// Most keys of a statement that are kept.
pub const MAX_KEYS: usize = 8;

/// Hashes of the first values compared by `=` or in an `IN` list behind the top-level WHERE, in order; of a list the
/// first member only. Values as in [`super::value`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    values: [u64; MAX_KEYS],
    count: u8,
    /// Bit i: `values[i]` is the number of a parameter, counted from 1.
    params: u8,
}

impl Keys {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a literal; returns its number, `None` where there is no room.
    pub(super) fn push(&mut self, value: u64) -> Option<u8> {
        let number = self.count;
        *self.values.get_mut(usize::from(number))? = value;
        self.count += 1;
        Some(number)
    }

    /// Puts another literal in the place of the one with this number.
    pub(super) fn set(&mut self, number: usize, value: u64) {
        if let Some(place) = self.values.get_mut(number) {
            *place = value;
        }
    }

    /// Adds a parameter, as it stands in the text: `$1`.
    pub(super) fn push_param(&mut self, raw: &[u8]) {
        let digits = raw.get(1..).unwrap_or_default();
        let number = super::value::integer(digits).unwrap_or(0);
        if let Some(at) = self.push(u64::try_from(number).unwrap_or(0)) {
            self.params |= 1 << at;
        }
    }

    /// Whether a bound value is asked for.
    pub fn has_params(&self) -> bool {
        self.params != 0
    }

    /// The number of the parameter, counted from 1, that is the key at `index`.
    pub fn param(&self, index: usize) -> Option<u64> {
        let is_param = index < MAX_KEYS && self.params & 1 << index != 0;
        is_param.then(|| self.values[index])
    }

    /// Puts a bound value in the place of a parameter.
    pub fn bind(&mut self, index: usize, value: u64) {
        if let Some(place) = self.values.get_mut(index) {
            *place = value;
            self.params &= !(1 << index);
        }
    }

    /// The value at `index`; 0 where there is none or it is a parameter of unknown value.
    pub fn get(&self, index: usize) -> u64 {
        match self.param(index) {
            Some(_) => 0,
            None => self.values.get(index).copied().unwrap_or(0),
        }
    }
}
