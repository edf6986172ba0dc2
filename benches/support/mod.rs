//! Conversations of Django with PostgreSQL, as bytes. Shared by the benchmarks and `tests/allocations.rs`.

#![allow(dead_code, reason = "no user needs all of it")]

/// One write of the client and the server's answer to it.
pub struct Exchange {
    /// What the client sends.
    pub request: Vec<u8>,
    /// What the server answers.
    pub reply: Vec<u8>,
}

/// StartupMessage and the answer to it, up to the first ReadyForQuery.
pub fn startup() -> Exchange {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend(b"user\0django\0database\0shop\0application_name\0web\0\0");
    let mut request = (body.len() as u32 + 4).to_be_bytes().to_vec();
    request.extend(body);
    let mut reply = message(b'R', &[0; 4]);
    reply.extend(message(b'S', b"standard_conforming_strings\0on\0"));
    reply.extend(message(b'Z', b"I"));
    Exchange { request, reply }
}

/// What a request's middleware adds to each of its queries: sqlcommenter's tags.
pub fn comment(request: u64) -> String {
    format!(
        " /*controller='book',db_driver='django.db.backends.postgresql',framework='django%3A5.2.19',\
         route='books/%3Cint%3Apk%3E/',traceparent='00-d62c417d1deaadc0{request:016x}-52dcad3586905f68-01'*/"
    )
}

/// `Author.objects.get(pk=…)`; `key` is the literal or the parameter.
pub fn get(key: &str, comment: &str) -> String {
    format!(
        r#"SELECT "shop_author"."id", "shop_author"."name", "shop_author"."bio" FROM "shop_author" WHERE "shop_author"."id" = {key} LIMIT 21{comment}"#
    )
}

/// A list page's query: 30 columns, a join, a filter.
pub fn page(key: &str, comment: &str) -> String {
    let columns: Vec<_> = (0..30)
        .map(|n| format!(r#""shop_book"."column_{n}""#))
        .collect();
    format!(
        r#"SELECT {}, "shop_author"."id", "shop_author"."name" FROM "shop_book" INNER JOIN "shop_author" ON ("shop_book"."author_id" = "shop_author"."id") WHERE "shop_book"."price" > {key} ORDER BY "shop_book"."id" ASC LIMIT 20{comment}"#,
        columns.join(", ")
    )
}

/// The simple query protocol: psycopg 2, and psycopg 3 with client-side binding.
pub fn simple(sql: &str) -> Exchange {
    let mut reply = message(b'T', &[0; 60]);
    reply.extend(result());
    reply.extend(ready());
    Exchange {
        request: query(sql),
        reply,
    }
}

/// The same with an answer of twelve rows of ten columns.
pub fn list(sql: &str) -> Exchange {
    let mut reply = message(b'T', &[0; 60]);
    reply.extend(rows(12, 10, 8));
    reply.extend(message(b'C', b"SELECT 12\0"));
    reply.extend(ready());
    Exchange {
        request: query(sql),
        reply,
    }
}

/// A Query message.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// psycopg 3 with server-side binding: Parse, Bind, Describe, Execute, Sync.
pub fn extended(sql: &str, parameter: &str) -> Exchange {
    let mut request = parse("", sql);
    request.extend(run("", parameter));
    request.extend(sync());
    let mut reply = message(b'1', b"");
    reply.extend(ran());
    reply.extend(ready());
    Exchange { request, reply }
}

/// A statement that is prepared already, once or many times before one Sync.
pub fn prepared(name: &str, parameters: &[&str]) -> Exchange {
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    for parameter in parameters {
        request.extend(run(name, parameter));
        reply.extend(ran());
    }
    request.extend(sync());
    reply.extend(ready());
    Exchange { request, reply }
}

/// Parse and Sync of a named statement.
pub fn prepare(name: &str, sql: &str) -> Exchange {
    let mut request = parse(name, sql);
    request.extend(sync());
    let mut reply = message(b'1', b"");
    reply.extend(ready());
    Exchange { request, reply }
}

/// `rows` DataRow messages of `columns` columns of `width` bytes.
pub fn rows(rows: usize, columns: usize, width: usize) -> Vec<u8> {
    let mut body = (columns as u16).to_be_bytes().to_vec();
    for _ in 0..columns {
        body.extend((width as u32).to_be_bytes());
        body.extend(vec![b'x'; width]);
    }
    message(b'D', &body).repeat(rows)
}

/// A message with its header.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Bind, Describe and Execute of the unnamed portal.
fn run(name: &str, parameter: &str) -> Vec<u8> {
    let mut body = format!("\0{name}\0\0\0\0\x01").into_bytes();
    body.extend((parameter.len() as u32).to_be_bytes());
    body.extend(parameter.as_bytes());
    body.extend([0, 0]);
    let mut bytes = message(b'B', &body);
    bytes.extend(message(b'D', b"P\0"));
    bytes.extend(message(b'E', b"\0\0\0\0\0"));
    bytes
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// The answers to [`run`].
fn ran() -> Vec<u8> {
    let mut reply = message(b'2', b"");
    reply.extend(message(b'T', &[0; 60]));
    reply.extend(result());
    reply
}

/// One row and its CommandComplete.
fn result() -> Vec<u8> {
    let mut bytes = rows(1, 3, 12);
    bytes.extend(message(b'C', b"SELECT 1\0"));
    bytes
}

/// ReadyForQuery.
pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}
