//! Tags in SQL comments: sqlcommenter and its kin.
//!
//! Read are sqlcommenter (`key='value',…`, percent-encoded), as Google's and OpenTelemetry's Django middleware, the
//! OpenTelemetry drivers, ddtrace and `django-sqlcommenter` write it, and the older `key:value,…` of marginalia and
//! Rails.

use super::route;

/// Most pairs of a statement's comments that are read.
const MAX_PAIRS: usize = 32;
/// Most bytes of comments that are read.
const MAX_COMMENTS: usize = 4 * 1024;
/// Most bytes of a value that are decoded.
const MAX_RAW: usize = 512;
/// Most bytes of a value that are kept.
pub(super) const MAX_VALUE: usize = 128;

/// Whether two comments are the same bytes. Most are empty, and to compare nothing with nothing calls the C library, whose
/// code is cold on the way of a query.
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// What a comment says of the request that sent the statement. Buffers are reused.
///
/// Values are decoded, capped at 128 bytes and free of control characters, but otherwise untrusted.
#[derive(Default, Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// `route`, `^` and `$` removed, as Django's resolver shows it; `/` for the empty route of the site's root.
    /// Numbers and long ids in a raw path are `<id>`.
    pub route: String,
    /// `controller` (view name).
    pub controller: String,
    /// `action`, or the name of a `job`.
    pub action: String,
    /// `task`, `job` or `command`: not an HTTP request.
    pub task: String,
    /// `app_name`, `application`.
    pub application: String,
    /// `callsite`, `source_location`: file and line.
    pub callsite: String,
    /// `request_id`.
    pub request_id: String,
    /// Trace id of `traceparent`; 0 without one.
    pub trace_id: u128,
    /// Span id of `traceparent`; 0 without one.
    pub span_id: u64,
    /// The comment has keys of a Django middleware (`controller`, `framework`, `route`): its span is the request's own.
    pub from_middleware: bool,
    /// Detectors that `pgscope:ignore=a,b` silences for this statement, joined by commas.
    pub ignore: String,
}

impl Tags {
    /// Reads the comments of [`super::Digest::comment`] anew. Of two values for a key the later one holds.
    pub fn read(&mut self, comments: &[u8]) {
        self.clear();
        let comments = &comments[..comments.len().min(MAX_COMMENTS)];
        let mut pairs = 0;
        for line in comments.split(|&b| b == b'\n') {
            let mut rest = line;
            while let Some(pair) = take_pair(&mut rest) {
                pairs += 1;
                if pairs > MAX_PAIRS {
                    return;
                }
                self.set(pair);
            }
        }
    }

    /// No comment, or none with a known key.
    pub fn is_empty(&self) -> bool {
        let texts = [
            &self.route,
            &self.controller,
            &self.action,
            &self.task,
            &self.application,
            &self.callsite,
            &self.request_id,
            &self.ignore,
        ];
        texts.iter().all(|text| text.is_empty()) && self.trace_id == 0 && !self.from_middleware
    }

    /// A line of code, and nothing of a request or a task.
    pub fn is_outside(&self) -> bool {
        let of_request = [&self.route, &self.controller, &self.task, &self.request_id];
        !self.callsite.is_empty()
            && of_request.iter().all(|text| text.is_empty())
            && self.trace_id == 0
    }

    fn set(&mut self, pair: Pair<'_>) {
        let mut buffer = [0; MAX_RAW];
        let value = decode(pair.value, &mut buffer);
        match pair.key {
            b"route" => {
                self.from_middleware = true;
                route::write(value, &mut self.route);
            }
            b"controller" => {
                self.from_middleware = true;
                write(value, &mut self.controller);
            }
            b"framework" => self.from_middleware = true,
            b"namespaced_controller" if self.controller.is_empty() => {
                write(value, &mut self.controller);
            }
            b"action" => write(value, &mut self.action),
            b"job" => {
                write(value, &mut self.task);
                if self.action.is_empty() {
                    write(value, &mut self.action);
                }
            }
            b"task" | b"command" => write(value, &mut self.task),
            b"app_name" | b"application" => write(value, &mut self.application),
            b"callsite" | b"source_location" => write(value, &mut self.callsite),
            b"request_id" => write(value, &mut self.request_id),
            b"traceparent" => {
                if let Some((trace, span)) = traceparent(value) {
                    self.trace_id = trace;
                    self.span_id = span;
                }
            }
            IGNORE => self.silence(value),
            _ => {}
        }
    }

    /// Adds to the silenced detectors.
    fn silence(&mut self, names: &[u8]) {
        for name in names.split(|&b| b == b',') {
            let name = name.trim_ascii();
            let word = !name.is_empty() && name.iter().all(|&b| is_word(b) || b == b'*');
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            if word && self.ignore.len() + name.len() < MAX_VALUE {
                if !self.ignore.is_empty() {
                    self.ignore.push(',');
                }
                self.ignore.push_str(name);
            }
        }
    }
}

/// pgscope's own key; its value is a list.
const IGNORE: &[u8] = b"pgscope:ignore";

/// A key and its value as written, without quotes.
#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Takes the next pair; what is none is skipped. `None` at the end.
fn take_pair<'a>(rest: &mut &'a [u8]) -> Option<Pair<'a>> {
    loop {
        let start = rest.iter().position(|&b| is_word(b))?;
        *rest = &rest[start..];
        let own = rest.starts_with(IGNORE);
        let end = if own {
            IGNORE.len()
        } else {
            let key = |b: &u8| is_word(*b) || matches!(b, b'.' | b'-' | b'%');
            rest.iter().position(|b| !key(b)).unwrap_or(rest.len())
        };
        let (key, after) = rest.split_at(end);
        let Some((b'=' | b':', value)) = after.trim_ascii_start().split_first() else {
            *rest = after;
            continue;
        };
        let value = value.trim_ascii_start();
        let (value, after) = match value.first() {
            Some(quote @ (b'\'' | b'"')) => quoted(&value[1..], *quote),
            _ if own => names(value),
            _ => {
                let end = value.iter().position(|&b| b == b',');
                let (value, after) = value.split_at(end.unwrap_or(value.len()));
                (value.trim_ascii_end(), after)
            }
        };
        *rest = after;
        return Some(Pair { key, value });
    }
}

/// Parts a quoted value from what follows its closing quote.
fn quoted(text: &[u8], quote: u8) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return (&text[..at], &text[at + 1..]),
            _ => at += 1,
        }
    }
    (text, &[])
}

/// Parts a bare list of names from the pairs behind it.
fn names(text: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    loop {
        let word = |b: &u8| is_word(*b) || matches!(b, b'*' | b' ');
        let rest = &text[end..];
        let length = rest.iter().position(|b| !word(b)).unwrap_or(rest.len());
        match rest.get(length) {
            Some(b',') => end += length + 1,
            Some(b'=' | b':') => return text.split_at(end),
            _ => return text.split_at(end + length),
        }
    }
}

/// Undoes `\'`, the `%%` of statements that no driver formatted, and percent-encoding.
fn decode<'b>(raw: &[u8], buffer: &'b mut [u8; MAX_RAW]) -> &'b [u8] {
    let hex = |at: usize| raw.get(at).and_then(|&b| char::from(b).to_digit(16));
    let (mut from, mut to) = (0, 0);
    while from < raw.len() && to < MAX_RAW {
        let mut byte = raw[from];
        from += 1;
        match byte {
            b'\\' if matches!(raw.get(from), Some(b'\'' | b'"' | b'\\')) => {
                byte = raw[from];
                from += 1;
            }
            b'%' => {
                if raw.get(from) == Some(&b'%') {
                    from += 1;
                }
                if let (Some(high), Some(low)) = (hex(from), hex(from + 1)) {
                    byte = (high * 16 + low) as u8;
                    from += 2;
                }
            }
            _ => {}
        }
        buffer[to] = byte;
        to += 1;
    }
    &buffer[..to]
}

/// Replaces a text by a value, without control characters.
fn write(value: &[u8], text: &mut String) {
    text.clear();
    append(value, text);
}

/// Appends a value without control characters, up to `MAX_VALUE` bytes in all.
pub(super) fn append(value: &[u8], text: &mut String) {
    for chunk in value.utf8_chunks() {
        let odd = if chunk.invalid().is_empty() {
            None
        } else {
            Some(char::REPLACEMENT_CHARACTER)
        };
        for char in chunk
            .valid()
            .chars()
            .chain(odd)
            .filter(|char| !char.is_control())
        {
            if text.len() + char.len_utf8() > MAX_VALUE {
                return;
            }
            text.push(char);
        }
    }
}

/// Trace and span id of a `traceparent` of W3C Trace Context: version, trace id, parent id, flags. Ids of zero are
/// invalid there, as is version `ff`.
fn traceparent(value: &[u8]) -> Option<(u128, u64)> {
    let mut fields = value.trim_ascii().split(|&b| b == b'-');
    let mut field = |length: usize| {
        let text = fields.next().filter(|text| text.len() == length)?;
        text.iter().try_fold(0u128, |number, &byte| match byte {
            b'0'..=b'9' => Some(number << 4 | u128::from(byte - b'0')),
            b'a'..=b'f' => Some(number << 4 | u128::from(byte - b'a' + 10)),
            _ => None,
        })
    };
    let (version, trace, span, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let valid = version != 0xff && trace != 0 && span != 0 && fields.next().is_none();
    valid.then_some((trace, span as u64))
}
