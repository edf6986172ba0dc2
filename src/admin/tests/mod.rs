//! What a scraper and a browser see.

mod detail;
mod http;
mod limits;
mod metrics;
