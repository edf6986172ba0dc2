//! A script as records: what, length, bytes. The seeds are the transcripts, so that what is mutated is valid.

/// The records of an input.
pub fn records(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([what, low, high], rest) = data.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        data = rest;
        Some((*what, payload))
    })
}

/// A message of this type byte and body: it stays one whatever becomes of its body.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    let (tag, body) = payload.split_first().unwrap_or((&b'S', &[]));
    let mut bytes = vec![*tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
