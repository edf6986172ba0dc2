//! The one place that reads fields out of a body.

/// A cursor over a message body. Every read is checked; `None` means that the body is too short.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    /// One byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    /// A 16-bit integer in network order. The server reads counts of parameters without their sign.
    pub fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A 32-bit integer in network order.
    pub fn i32(&mut self) -> Option<i32> {
        self.take(4)
            .map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A string without its terminating NUL.
    pub fn cstr(&mut self) -> Option<&'a [u8]> {
        // Most names of statements and portals are empty: no need to search.
        let end = match self.bytes.first()? {
            0 => 0,
            _ => memchr::memchr(0, self.bytes)?,
        };
        let text = &self.bytes[..end];
        self.bytes = &self.bytes[end + 1..];
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_in_order_and_stops_at_the_end() {
        let mut reader = Reader::new(b"name\0\x01\x00\x02\x00\x00\x00\x03x");
        assert_eq!(reader.cstr(), Some(&b"name"[..]));
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(2));
        assert_eq!(reader.i32(), Some(3));
        assert_eq!(reader.cstr(), None);
        assert_eq!(reader.take(2), None);
        assert_eq!(reader.rest(), b"x");
    }
}
