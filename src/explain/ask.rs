//! The questions, as SQL. Each is asked in a read-only transaction that is rolled back.

use super::run::Socket;
use crate::detect::{Plan, Table};
use crate::request::ForeignKeys;
use crate::sql::Generic;
use serde_json::Value;
use std::collections::BTreeSet;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls};

/// For the session, so that what follows by mistake outside a transaction is limited too.
const SESSION: &str = "SET default_transaction_read_only = on; SET statement_timeout = '200ms'; \
                       SET lock_timeout = '50ms'; SET idle_in_transaction_session_timeout = '5s'";

/// The limits again, in case a pooler gives each transaction another session. Plans without parallel workers are the same
/// on every machine. A transaction can be made writable until its first query: that is the SELECT.
const BEGIN: &str = "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = '200ms'; SET LOCAL lock_timeout = '50ms'; \
                     SET LOCAL idle_in_transaction_session_timeout = '5s'; \
                     SET LOCAL max_parallel_workers_per_gather = 0; SELECT 1";

const TABLE: &str = "\
SELECT c.reltuples::float8, coalesce(s.seq_scan, 0)::int8, coalesce(s.seq_tup_read, 0)::int8,
       ARRAY(SELECT array_to_string(ARRAY(
                 SELECT coalesce(a.attname::text, '')
                 FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number AND a.attnum <> 0
                 ORDER BY k.place), pg_catalog.chr(31))
             FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
WHERE n.nspname = $1::text AND c.relname = $2::text";

const FOREIGN_KEYS: &str = "\
SELECT child.relname::text, own.attname::text, parent.relname::text, other.attname::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class child ON child.oid = k.conrelid
JOIN pg_catalog.pg_class parent ON parent.oid = k.confrelid
JOIN pg_catalog.pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = k.conkey[1]
JOIN pg_catalog.pg_attribute other ON other.attrelid = k.confrelid AND other.attnum = k.confkey[1]
WHERE k.contype = 'f' AND k.conparentid = 0 AND pg_catalog.array_length(k.conkey, 1) = 1
ORDER BY 1, 2 LIMIT 5000";

/// A session on the server. Ends when dropped.
pub(super) struct Server {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Server {
    /// Logs in over a stream that is encrypted already where it has to be.
    pub async fn login(
        socket: Box<dyn Socket>,
        user: &str,
        password: Option<&str>,
        database: &str,
    ) -> Result<Self, Error> {
        let mut config = Config::new();
        config
            .user(user)
            .dbname(database)
            .application_name("pgscope explain")
            .ssl_mode(SslMode::Disable);
        if let Some(password) = password {
            config.password(password);
        }
        let (client, connection) = config.connect_raw(socket, NoTls).await?;
        let driver = tokio::spawn(async move {
            // The client hears of its end too.
            let _ = connection.await;
        });
        let server = Self { client, driver };
        server.client.batch_execute(SESSION).await?;
        Ok(server)
    }

    /// It has ended.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The server went away; what failed was not the question.
    pub fn is_lost(&self, error: &Error) -> bool {
        let ended = |code: &SqlState| code.code().starts_with("57P");
        self.client.is_closed() || error.code().is_none_or(ended)
    }

    /// The plan of a statement, and the tables that it scans.
    pub async fn plan(&self, generic: &Generic) -> Result<(Plan, Vec<Table>), Error> {
        self.client.batch_execute(BEGIN).await?;
        let answer = self.explain(generic).await;
        let answer = match answer {
            Ok(plan) => self.tables(&plan).await.map(|tables| (plan, tables)),
            Err(error) => Err(error),
        };
        self.client.batch_execute("ROLLBACK").await?;
        answer
    }

    async fn explain(&self, generic: &Generic) -> Result<Plan, Error> {
        let text = &generic.text;
        let json = if generic.parameters == 0 {
            let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) {text}");
            self.json(&sql).await
        } else {
            self.explain_prepared(text, generic.parameters).await
        };
        Ok(Plan::read(&json?).unwrap_or_default())
    }

    /// A prepared statement has a generic plan, for which no value is looked at. `EXPLAIN (GENERIC_PLAN)` would plan for the
    /// values that the extended protocol demands, and the simple one would take a second statement.
    async fn explain_prepared(&self, text: &str, parameters: usize) -> Result<Value, Error> {
        let force = "SET LOCAL plan_cache_mode = force_generic_plan";
        self.client.batch_execute(force).await?;
        let prepare = format!("PREPARE pgscope_explain AS {text}");
        self.client.query_typed(&prepare, &[]).await?;
        let nulls = vec!["NULL"; parameters].join(", ");
        let sql = format!("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE pgscope_explain ({nulls})");
        let answer = self.json(&sql).await;
        // A prepared statement outlives its transaction. One that has failed takes no DEALLOCATE.
        if answer.is_err() {
            self.client.batch_execute("ROLLBACK").await?;
        }
        let forget = "DEALLOCATE pgscope_explain";
        self.client.batch_execute(forget).await?;
        answer
    }

    /// The one value of a query that answers in JSON. The extended protocol takes one statement, never two.
    async fn json(&self, sql: &str) -> Result<Value, Error> {
        let rows = self.client.query_typed(sql, &[]).await?;
        let value = rows.first().map(|row| row.try_get(0));
        Ok(value.transpose()?.unwrap_or(Value::Null))
    }

    async fn tables(&self, plan: &Plan) -> Result<Vec<Table>, Error> {
        let names: BTreeSet<_> = (plan.scans.iter())
            .map(|scan| (scan.schema.as_str(), scan.table.as_str()))
            .collect();
        let mut tables = Vec::new();
        for (schema, name) in names {
            let names = [(&schema as _, Type::TEXT), (&name as _, Type::TEXT)];
            for row in self.client.query_typed(TABLE, &names).await? {
                let count = |index| {
                    let count: i64 = row.try_get(index)?;
                    Ok(u64::try_from(count).unwrap_or(0))
                };
                let indexes: Vec<String> = row.try_get(3)?;
                let columns = |index: &String| index.split('\x1f').map(str::to_owned).collect();
                tables.push(Table {
                    schema: schema.to_owned(),
                    name: name.to_owned(),
                    rows: row.try_get(0)?,
                    scans: count(1)?,
                    read: count(2)?,
                    indexes: indexes.iter().map(columns).collect(),
                });
            }
        }
        Ok(tables)
    }

    /// The foreign keys of the database, and the server's `max_connections`.
    pub async fn catalog(&self) -> Result<(ForeignKeys, u32), Error> {
        self.client.batch_execute(BEGIN).await?;
        let answer = self.read_catalog().await;
        self.client.batch_execute("ROLLBACK").await?;
        answer
    }

    async fn read_catalog(&self) -> Result<(ForeignKeys, u32), Error> {
        let mut keys = ForeignKeys::default();
        for row in self.client.query_typed(FOREIGN_KEYS, &[]).await? {
            let text = |index| row.try_get::<_, &str>(index);
            keys.add((text(0)?, text(1)?), (text(2)?, text(3)?));
        }
        let rows = self.client.query_typed("SHOW max_connections", &[]).await?;
        let limit = rows
            .first()
            .map(|row| row.try_get::<_, &str>(0))
            .transpose()?;
        let limit = limit.and_then(|text| text.parse().ok());
        Ok((keys, limit.unwrap_or(0)))
    }
}
