//! What an application asks, with a mistake in it, and what pgscope must make of it.

use crate::web::{get, sum};
use crate::{Failure, same};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Books, each with an author of its own.
const BOOKS: usize = 12;

/// The role, the database and the password.
pub const ROLE: &str = "shop";
/// Of that role: with SCRAM, which pgscope must not disturb.
pub const PASSWORD: &str = "a secret of this test";

/// How long something may take to become true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a connection, does something on it and closes it in order.
async fn on<T>(
    address: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (host, port) = address.rsplit_once(':').ok_or("no port")?;
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port.parse()?);
    config.user(ROLE).dbname(ROLE).password(PASSWORD);
    let (client, connection) = config.connect(NoTls).await?;
    let driver = tokio::spawn(connection);
    let done = work(&client).await;
    drop(client);
    driver.await??;
    done
}

/// The rows of a text as Django sends it: literals and all, in the simple protocol.
async fn rows(client: &Client, sql: &str) -> Result<Vec<Vec<Option<String>>>, Failure> {
    let mut rows = Vec::new();
    for message in client.simple_query(sql).await? {
        if let SimpleQueryMessage::Row(row) = message {
            let value = |at| row.get(at).map(str::to_owned);
            rows.push((0..row.len()).map(value).collect());
        }
    }
    Ok(rows)
}

/// Makes the tables, straight at the server.
pub async fn prepare(server: &str) -> Result<(), Failure> {
    on(server, async |client| {
        let tables = format!(
            "CREATE TABLE shop_author (id int PRIMARY KEY, name text);\
             CREATE TABLE shop_book (id int PRIMARY KEY, title text, author_id int REFERENCES shop_author);\
             INSERT INTO shop_author SELECT n, 'author ' || n FROM generate_series(101, {last}) n;\
             INSERT INTO shop_book SELECT n, 'book ' || n, 100 + n FROM generate_series(1, {BOOKS}) n;",
            last = 100 + BOOKS
        );
        Ok(client.batch_execute(&tables).await?)
    })
    .await
}

/// A page that asks for each book's author by itself: all the rows that it got.
async fn page(address: &str) -> Result<Vec<Vec<Option<String>>>, Failure> {
    on(address, async |client| {
        let books = r#"SELECT "shop_book"."id", "shop_book"."title", "shop_book"."author_id" FROM "shop_book" ORDER BY "shop_book"."id" ASC"#;
        let mut seen = rows(client, books).await?;
        let authors: Vec<String> = seen.iter().filter_map(|row| row[2].clone()).collect();
        for author in authors {
            let sql = format!(
                r#"SELECT "shop_author"."id", "shop_author"."name" FROM "shop_author" WHERE "shop_author"."id" = {author} LIMIT 21"#
            );
            seen.extend(rows(client, &sql).await?);
        }
        // And once in the extended protocol, with a value of its own.
        let name = client
            .query_one("SELECT name FROM shop_author WHERE name LIKE $1", &[&"%12"])
            .await?;
        seen.push(vec![name.get(0)]);
        Ok(seen)
    })
    .await
}

/// The same answers with and without pgscope, all of them counted, and the mistake found.
pub async fn check(server: &str, through: &str, admin: &str) -> Result<(), Failure> {
    let direct = page(server).await?;
    same(&direct.len(), &(2 * BOOKS + 1), "rows of the page")?;
    same(&page(through).await?, &direct, "the rows through pgscope")?;
    let metrics = eventually("the connection is closed and counted", async || {
        let metrics = get(admin, "/metrics").await?;
        let closed = sum(
            &metrics,
            "pgscope_connections_total",
            &["outcome=\"closed\""],
        );
        Ok((closed >= 1.0).then_some(metrics))
    })
    .await?;
    let selects = sum(
        &metrics,
        "pgscope_queries_total",
        &["verb=\"SELECT\"", "status=\"ok\""],
    );
    same(&selects, &(BOOKS as f64 + 2.0), "SELECTs counted")?;
    let user = sum(
        &metrics,
        "pgscope_queries_total",
        &["user=\"shop\"", "database=\"shop\""],
    );
    same(&user, &selects, "queries of the role and the database")?;
    same(
        &sum(&metrics, "pgscope_sessions_blind_total", &[]),
        &0.0,
        "blind sessions",
    )?;
    same(
        &sum(&metrics, "pgscope_events_dropped_total", &[]),
        &0.0,
        "dropped events",
    )?;
    same(
        &sum(&metrics, "pgscope_upstream_up", &[]),
        &1.0,
        "upstream_up",
    )?;
    let found = get(admin, "/api/v1/findings").await?;
    for words in [
        "\"n_plus_one\"",
        "\"proven\"",
        r#"select_related(\"author\")"#,
    ] {
        if !found.contains(words) {
            return Err(format!("no {words} among the findings: {found}").into());
        }
    }
    for secret in [PASSWORD, "author 12", "%12"] {
        if found.contains(secret) || metrics.contains(secret) {
            return Err(format!("{secret} is told").into());
        }
    }
    get(admin, "/healthz").await?;
    Ok(())
}

/// Asks again until there is a value.
async fn eventually<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ask().await? {
            return Ok(value);
        }
        if Instant::now() > deadline {
            return Err(format!("never happened: {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
