//! Packets of protocol 3, written by hand: the proxy's own code must not check itself.

use std::collections::BTreeMap;

/// SSLRequest.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// GSSENCRequest.
pub const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];
/// Terminate.
pub const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// StartupMessage of protocol 3.0.
pub fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    with_length(body)
}

/// CancelRequest.
pub fn cancel(process: u32, key: &[u8]) -> Vec<u8> {
    let mut body = 80_877_102_u32.to_be_bytes().to_vec();
    body.extend_from_slice(&process.to_be_bytes());
    body.extend_from_slice(key);
    with_length(body)
}

/// Query.
pub fn query(text: &str) -> Vec<u8> {
    let mut body = text.as_bytes().to_vec();
    body.push(0);
    message(b'Q', &body)
}

/// AuthenticationOk and ReadyForQuery.
pub fn welcome() -> Vec<u8> {
    let mut bytes = message(b'R', &[0; 4]);
    bytes.extend(message(b'Z', b"I"));
    bytes
}

/// The same with BackendKeyData: a process number and a key, of 4 bytes in protocol 3.0 and up to 256 in 3.2.
pub fn welcome_with_key(process: u32, key: &[u8]) -> Vec<u8> {
    let body = [&process.to_be_bytes(), key].concat();
    let parts = [
        message(b'R', &[0; 4]),
        message(b'K', &body),
        message(b'Z', b"I"),
    ];
    parts.concat()
}

/// CommandComplete and ReadyForQuery.
pub fn done() -> Vec<u8> {
    [message(b'C', b"SELECT 0\0"), message(b'Z', b"I")].concat()
}

/// An ErrorResponse with severity FATAL.
pub fn fatal(sqlstate: &str, text: &str) -> Vec<u8> {
    error("FATAL", sqlstate, text)
}

/// An ErrorResponse.
pub fn error(severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0");
    message(b'E', body.as_bytes())
}

/// The fields of the one ErrorResponse that these bytes are.
pub fn error_fields(bytes: &[u8]) -> BTreeMap<char, String> {
    let shown = bytes.escape_ascii();
    assert_eq!(bytes.first(), Some(&b'E'), "no ErrorResponse: {shown}");
    let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
    assert_eq!(length + 1, bytes.len(), "more or less than one: {shown}");
    let body = bytes[5..].strip_suffix(b"\0\0").unwrap();
    body.split(|byte| *byte == 0)
        .map(|field| {
            let text = std::str::from_utf8(&field[1..]).unwrap();
            (char::from(field[0]), text.to_owned())
        })
        .collect()
}

/// Any message with a type byte.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(with_length(body.to_vec()));
    bytes
}

fn with_length(body: Vec<u8>) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}
