//! The numbers, as Prometheus reads them: a client, the real proxy, a made-up server, and the scrape.

mod connections;
mod queries;
mod requests;
mod tables;
mod times;

use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};

const BOOKS: &str = r#"SELECT "shop_book"."id", "shop_book"."title", "shop_book"."author_id" FROM "shop_book" WHERE "shop_book"."note" = 'rows:6'"#;

fn author(id: u32) -> String {
    format!(
        r#"SELECT "shop_author"."id", "shop_author"."name" FROM "shop_author" WHERE "shop_author"."id" = {id} LIMIT 21"#
    )
}

/// A proxy in front of a made-up server, and its admin server.
async fn start() -> (Proxy, Admin) {
    start_with(|setup| setup).await
}

async fn start_with(change: impl FnOnce(Setup) -> Setup) -> (Proxy, Admin) {
    let upstream = Backend::tcp().await.serve();
    let proxy = change(Setup::to(upstream)).start().await;
    let admin = Admin::of(&proxy).await;
    (proxy, admin)
}

/// One connection, these queries, Terminate; returns the scrape in which the connection has ended.
async fn run(proxy: &Proxy, admin: &Admin, queries: &[&str]) -> Scrape {
    let ended = |scrape: &Scrape| scrape.sum("connections_total", &[]);
    let before = ended(&admin.scrape().await);
    let mut app = App::connect(proxy).await;
    app.queries(queries).await;
    app.quit().await;
    let over = |scrape: &Scrape| ended(scrape) > before;
    admin.eventually("the connection's end", over).await
}
