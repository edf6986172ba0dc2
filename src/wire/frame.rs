//! Splits one direction of a connection into messages without ever holding more than a capped body.

/// A whole message; `body` is its first bytes, up to the cap for its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Type byte.
    pub tag: u8,
    /// Length of the whole body, the length word not counted.
    pub length: u32,
    /// The first `min(length, cap)` bytes of the body.
    pub body: &'a [u8],
}

/// Framing is lost: nothing that follows can be told apart. There is no way back in this protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameError;

/// Incremental framer of one direction.
///
/// Feed it chunks of any size: the messages that come out depend on the bytes only, never on
/// how they were cut.
#[derive(Debug, Default)]
pub struct Framer {
    header: [u8; 5],
    header_filled: usize,
    /// Body bytes of the open message that have not arrived yet.
    remaining: u32,
    length: u32,
    /// Captured part of a body that a chunk's end has cut. Grows with what arrives, never with what is announced.
    captured: Vec<u8>,
}

/// A captured body that grew beyond this is given back after use, so that one large text is not kept for ever.
const KEEP: usize = 4096;

impl Framer {
    /// A stream of which nothing has been seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// Type of the message whose header has been read but whose body has not ended.
    pub fn open_message(&self) -> Option<u8> {
        (self.header_filled == 5).then_some(self.header[0])
    }

    /// A message has begun and not ended, be it that only its type has arrived.
    pub fn is_inside(&self) -> bool {
        self.header_filled > 0
    }

    /// Takes the next whole message off `input`; `None` when more bytes are needed (all of `input` is then taken). `cap` tells
    /// how many body bytes of a message type are worth seeing: of one framer always the same.
    ///
    /// # Errors
    /// [`FrameError`] where a length or a type cannot be PostgreSQL's.
    #[inline]
    pub fn next<'m, 'i: 'm>(
        &'m mut self,
        input: &mut &'i [u8],
        cap: impl Fn(u8) -> usize,
    ) -> Result<Option<Message<'m>>, FrameError> {
        if self.header_filled == 0 && input.len() >= 5 {
            let (tag, length) = check_header([input[0], input[1], input[2], input[3], input[4]])?;
            let whole = 5 + length as usize;
            if input.len() >= whole {
                let (message, rest) = input.split_at(whole);
                *input = rest;
                let seen = (length as usize).min(cap(tag));
                return Ok(Some(Message {
                    tag,
                    length,
                    body: &message[5..5 + seen],
                }));
            }
        }
        self.next_cut(input, &cap)
    }

    /// The slow path: a message that spans chunks.
    fn next_cut<'m, 'i: 'm>(
        &'m mut self,
        input: &mut &'i [u8],
        cap: &dyn Fn(u8) -> usize,
    ) -> Result<Option<Message<'m>>, FrameError> {
        while self.header_filled < 5 {
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(None);
            };
            self.header[self.header_filled] = byte;
            self.header_filled += 1;
            *input = rest;
            if self.header_filled == 5 {
                let (_, length) = check_header(self.header)?;
                self.length = length;
                self.remaining = length;
                self.captured.clear();
                if self.captured.capacity() > KEEP {
                    self.captured = Vec::new();
                }
            }
        }
        let tag = self.header[0];
        let arrived = input.len().min(self.remaining as usize);
        let (body, rest) = input.split_at(arrived);
        let wanted = cap(tag).saturating_sub(self.captured.len());
        self.captured
            .extend_from_slice(&body[..arrived.min(wanted)]);
        *input = rest;
        self.remaining -= arrived as u32;
        if self.remaining > 0 {
            return Ok(None);
        }
        self.header_filled = 0;
        Ok(Some(Message {
            tag,
            length: self.length,
            body: &self.captured,
        }))
    }
}

/// Type bytes are ASCII letters or digits in every version of protocol 3; lengths count themselves.
#[inline]
fn check_header(header: [u8; 5]) -> Result<(u8, u32), FrameError> {
    let [tag, length @ ..] = header;
    let length = u32::from_be_bytes(length);
    if !tag.is_ascii_alphanumeric() || !(4..=i32::MAX as u32).contains(&length) {
        return Err(FrameError);
    }
    Ok((tag, length - 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(chunks: &[&[u8]]) -> Result<Vec<(u8, u32, Vec<u8>)>, FrameError> {
        let mut framer = Framer::new();
        let cap = |tag| if tag == b'D' { 0 } else { 6 };
        let mut found = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(message) = framer.next(&mut input, cap)? {
                found.push((message.tag, message.length, message.body.to_vec()));
            }
            assert!(input.is_empty(), "a framer takes all that it is given");
        }
        Ok(found)
    }

    #[test]
    fn a_body_is_seen_up_to_its_cap_and_counted_whole() {
        let bytes = b"Q\0\0\0\x0cselect 1D\0\0\0\x06xxZ\0\0\0\x05I";
        let expected = vec![
            (b'Q', 8, b"select".to_vec()),
            (b'D', 2, Vec::new()),
            (b'Z', 1, b"I".to_vec()),
        ];
        assert_eq!(all(&[bytes]), Ok(expected.clone()));
        for cut in 0..bytes.len() {
            assert_eq!(
                all(&[&bytes[..cut], &bytes[cut..]]),
                Ok(expected.clone()),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn impossible_headers_lose_framing() {
        for bytes in [
            b"Q\0\0\0\x03",
            b"Q\xff\xff\xff\xff",
            b"Q\x80\0\0\0",
            b"\0\0\0\0\x08",
        ] {
            assert_eq!(all(&[bytes]), Err(FrameError), "{bytes:?}");
        }
    }

    #[test]
    fn an_announced_length_is_not_allocated() {
        let mut framer = Framer::new();
        let mut input: &[u8] = b"Q\x7f\xff\xff\xffselect";
        assert_eq!(framer.next(&mut input, |_| usize::MAX), Ok(None));
        assert!(
            framer.captured.capacity() < 64,
            "{}",
            framer.captured.capacity()
        );
        assert_eq!(framer.open_message(), Some(b'Q'));
    }

    #[test]
    fn a_message_begins_with_its_type_and_ends_with_its_body() {
        let mut framer = Framer::new();
        let mut inside = Vec::new();
        for byte in b"Q\0\0\0\x06ab" {
            let mut input = std::slice::from_ref(byte);
            framer.next(&mut input, |_| 0).ok();
            inside.push(framer.is_inside());
        }
        assert_eq!(inside, [true, true, true, true, true, true, false]);
    }

    proptest! {
        #[test]
        fn chunking_does_not_matter(
            bodies in prop::collection::vec((prop::sample::select(&b"QDZTC1"[..]), prop::collection::vec(any::<u8>(), 0..40)), 0..20),
            cuts in prop::collection::vec(1_usize..17, 1..50),
        ) {
            let mut bytes = Vec::new();
            for (tag, body) in &bodies {
                bytes.push(*tag);
                bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
                bytes.extend_from_slice(body);
            }
            let mut chunks = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, after) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(all(&chunks), all(&[&bytes]));
        }
    }
}
