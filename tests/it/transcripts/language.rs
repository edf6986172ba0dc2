//! The language of the transcripts: one message a line, as the manual names them.
//!
//! `>` from the client, `<` from the server, `+ 5ms` lets time pass, `close` ends the connection, `open` leaves it as it is
//! and goes on with a new one, `close all` ends all of them, the lines from `repeat 20` to `end` run so many times,
//! `query TEXT -> 3 rows` is a whole simple query and its answer; `-> 3 rows id body:2000` says which columns of a table
//! it has, and how wide a value is; `author_id=20` counts up from 20. `explain JSON` is what the side
//! connection brings. `=` lines are what pgscope made of it.

use std::time::Duration;

/// One line that does something.
pub enum Step {
    Frontend(Vec<u8>),
    Backend(Vec<u8>),
    Pass(Duration),
    Open,
    Close,
    CloseAll,
    /// What the server explains of the SELECT that took most time: its plan, and its tables.
    Explain(String),
}

/// The lines of a conversation in the order in which they run; without those of `repeat`, `=` and comments.
pub fn lines(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut repeated: Option<(usize, Vec<&str>)> = None;
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with(['#', '=']) {
            continue;
        }
        if let Some(times) = line.strip_prefix("repeat ") {
            repeated = Some((times.parse().unwrap(), Vec::new()));
        } else if line == "end" {
            let (times, block) = repeated.take().unwrap();
            (0..times).for_each(|_| all.extend(&block));
        } else if let Some((_, block)) = &mut repeated {
            block.push(line);
        } else {
            all.push(line);
        }
    }
    all
}

/// Reads one line; `status` is the transaction status that a `query` line ends with.
pub fn steps(line: &str, status: &mut u8) -> Vec<Step> {
    let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
    match mark {
        ">" => vec![Step::Frontend(frontend(rest))],
        "<" => vec![Step::Backend(backend(rest))],
        "+" => vec![Step::Pass(humantime::parse_duration(rest).unwrap())],
        "open" => vec![Step::Open],
        "close" if rest == "all" => vec![Step::CloseAll],
        "close" => vec![Step::Close],
        "explain" => vec![Step::Explain(rest.to_owned())],
        "query" => query(rest, status),
        _ => panic!("unknown line: {line}"),
    }
}

fn query(rest: &str, status: &mut u8) -> Vec<Step> {
    let (text, answer) = rest.rsplit_once(" -> ").unwrap_or((rest, "0 rows"));
    let mut reply = Vec::new();
    if let Some(code) = answer.strip_prefix("error ") {
        reply.extend(backend(&format!("ErrorResponse {code}")));
        *status = if *status == b'I' { b'I' } else { b'E' };
    } else if text.is_empty() {
        reply.extend(backend("EmptyQueryResponse"));
    } else {
        let (rows, columns) = answer.split_once(" rows").unwrap_or((answer, ""));
        let rows: usize = rows.parse().unwrap();
        let verb = text
            .split_whitespace()
            .find(|word| !word.starts_with("/*"))
            .unwrap_or("SELECT");
        match verb {
            "BEGIN" => *status = b'T',
            "COMMIT" | "ROLLBACK" if !text.starts_with("ROLLBACK TO") => *status = b'I',
            _ => {}
        }
        if verb == "SELECT" || verb == "FETCH" {
            let columns: Vec<(&str, Value)> = columns.split_whitespace().map(column).collect();
            if columns.is_empty() {
                reply.extend(backend("RowDescription id"));
            } else {
                reply.extend(row_description(&columns));
            }
            for row in 0..rows {
                let others = columns.iter().skip(1).map(|(_, value)| match value {
                    Value::Wide(width) => "x".repeat(*width),
                    Value::From(first) => (first + row).to_string(),
                });
                let values: Vec<String> = std::iter::once(row.to_string()).chain(others).collect();
                reply.extend(backend(&format!("DataRow {}", values.join(" "))));
            }
        }
        let tag = match verb {
            "SELECT" | "UPDATE" | "DELETE" | "FETCH" => format!("{verb} {rows}"),
            "INSERT" => format!("INSERT 0 {rows}"),
            _ => verb.to_owned(),
        };
        reply.extend(backend(&format!("CommandComplete {tag}")));
    }
    reply.extend(backend(&format!("ReadyForQuery {}", char::from(*status))));
    vec![
        Step::Frontend(frontend(&format!("Query {text}"))),
        Step::Pass(Duration::from_millis(1)),
        Step::Backend(reply),
    ]
}

/// What the rows of a column hold.
enum Value {
    /// A text of so many bytes.
    Wide(usize),
    /// This number, and one more from row to row.
    From(usize),
}

fn column(text: &str) -> (&str, Value) {
    if let Some((name, first)) = text.split_once('=') {
        return (name, Value::From(first.parse().unwrap()));
    }
    let (name, width) = text.split_once(':').unwrap_or((text, "1"));
    (name, Value::Wide(width.parse().unwrap()))
}

/// Columns of one table.
fn row_description(columns: &[(&str, Value)]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for ((name, _), attribute) in columns.iter().zip(1u16..) {
        body.extend(cstr(name));
        body.extend_from_slice(&16_385u32.to_be_bytes());
        body.extend_from_slice(&attribute.to_be_bytes());
        body.extend_from_slice(&[0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
    }
    message(b'T', &body)
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn cstr(text: &str) -> Vec<u8> {
    let mut bytes = if text == "-" {
        Vec::new()
    } else {
        text.as_bytes().to_vec()
    };
    bytes.push(0);
    bytes
}

fn startup(rest: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for pair in rest.split_whitespace() {
        let (key, value) = pair.split_once('=').unwrap();
        body.extend(cstr(key));
        body.extend(cstr(value));
    }
    body.push(0);
    packet(3 << 16, &body)
}

fn frontend(line: &str) -> Vec<u8> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split_whitespace();
    let mut word = || words.next().unwrap_or("-");
    match name {
        "SSLRequest" => packet(80_877_103, b""),
        "GSSENCRequest" => packet(80_877_104, b""),
        "CancelRequest" => packet(80_877_102, &[0; 8]),
        "StartupMessage" => startup(rest),
        "Query" => message(b'Q', &[rest.as_bytes(), b"\0"].concat()),
        "Parse" => {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            message(
                b'P',
                &[&cstr(name)[..], text.as_bytes(), b"\0\0\0"].concat(),
            )
        }
        "Bind" => {
            let mut body = [cstr(word()), cstr(word())].concat();
            let values: Vec<&str> = words.collect();
            body.extend_from_slice(&[0, 0]);
            body.extend_from_slice(&(values.len() as u16).to_be_bytes());
            for value in values {
                body.extend_from_slice(&(value.len() as u32).to_be_bytes());
                body.extend_from_slice(value.as_bytes());
            }
            body.extend_from_slice(&[0, 0]);
            message(b'B', &body)
        }
        "Describe" | "Close" => {
            let kind = word().as_bytes()[0];
            let tag = if name == "Close" { b'C' } else { b'D' };
            message(tag, &[&[kind][..], &cstr(word())].concat())
        }
        "Execute" => {
            let portal = cstr(word());
            let limit: u32 = word().parse().unwrap_or(0);
            message(b'E', &[&portal[..], &limit.to_be_bytes()].concat())
        }
        "Sync" => message(b'S', b""),
        "Flush" => message(b'H', b""),
        "Terminate" => message(b'X', b""),
        "FunctionCall" => message(b'F', &[0; 10]),
        "CopyData" => message(b'd', rest.as_bytes()),
        "CopyDone" => message(b'c', b""),
        "CopyFail" => message(b'f', b"stop\0"),
        "PasswordMessage" => message(b'p', &cstr(rest)),
        "Bytes" => rest.as_bytes().to_vec(),
        _ => panic!("unknown frontend message: {line}"),
    }
}

fn backend(line: &str) -> Vec<u8> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "AuthenticationOk" => message(b'R', &[0; 4]),
        "ParameterStatus" => {
            let (key, value) = rest.split_once(' ').unwrap();
            message(b'S', &[cstr(key), cstr(value)].concat())
        }
        "BackendKeyData" => message(b'K', &[0; 8]),
        "ReadyForQuery" => message(b'Z', rest.as_bytes()),
        "RowDescription" => {
            let mut body = (rest.split_whitespace().count() as u16)
                .to_be_bytes()
                .to_vec();
            for column in rest.split_whitespace() {
                body.extend(cstr(column));
                body.extend_from_slice(&[
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0,
                ]);
            }
            message(b'T', &body)
        }
        "DataRow" => {
            let mut body = (rest.split_whitespace().count() as u16)
                .to_be_bytes()
                .to_vec();
            for value in rest.split_whitespace() {
                body.extend_from_slice(&(value.len() as u32).to_be_bytes());
                body.extend_from_slice(value.as_bytes());
            }
            message(b'D', &body)
        }
        "CommandComplete" => message(b'C', &cstr(rest)),
        "EmptyQueryResponse" => message(b'I', b""),
        "PortalSuspended" => message(b's', b""),
        "ParseComplete" => message(b'1', b""),
        "BindComplete" => message(b'2', b""),
        "CloseComplete" => message(b'3', b""),
        "NoData" => message(b'n', b""),
        "ParameterDescription" => message(b't', &[0, 0]),
        "CopyInResponse" => message(b'G', &[0, 0, 0]),
        "CopyOutResponse" => message(b'H', &[0, 0, 0]),
        "CopyBothResponse" => message(b'W', &[0, 0, 0]),
        "CopyData" => message(b'd', rest.as_bytes()),
        "CopyDone" => message(b'c', b""),
        "FunctionCallResponse" => message(b'V', &[255; 4]),
        "NoticeResponse" => message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0"),
        "NotificationResponse" => message(b'A', b"\0\0\0\x01channel\0payload\0"),
        "ErrorResponse" => {
            let (code, severity) = rest.split_once(' ').unwrap_or((rest, "ERROR"));
            let body = format!("S{severity}\0V{severity}\0C{code}\0Mit holds \"secret\" data\0\0");
            message(b'E', body.as_bytes())
        }
        "Byte" | "Bytes" => rest.as_bytes().to_vec(),
        _ => panic!("unknown backend message: {line}"),
    }
}
