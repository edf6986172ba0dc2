//! The queries of `benches/overhead/mix`: texts as Django's ORM writes them, about 1 KB on the average.

/// Each text with `value` for each of pgbench's variables.
pub fn mix(value: u32) -> Vec<String> {
    [
        include_str!("../overhead/mix/book_detail.sql"),
        include_str!("../overhead/mix/book_ratings.sql"),
        include_str!("../overhead/mix/book_search.sql"),
        include_str!("../overhead/mix/book_search_page.sql"),
        include_str!("../overhead/mix/order_history.sql"),
        include_str!("../overhead/mix/order_lines.sql"),
        include_str!("../overhead/mix/order_lines_of_books.sql"),
        include_str!("../overhead/mix/prefetch_reviews.sql"),
        include_str!("../overhead/mix/prefetch_tags.sql"),
        include_str!("../overhead/mix/user.sql"),
    ]
    .into_iter()
    .map(|script| text(script, value))
    .collect()
}

fn text(script: &str, value: u32) -> String {
    let variables = script.lines().filter_map(|line| {
        let name = line.strip_prefix("\\set ")?;
        name.split(' ').next()
    });
    let sql = script.lines().filter(|line| !line.starts_with('\\'));
    let sql = sql.collect::<String>();
    variables.fold(sql.trim_end_matches(';').to_owned(), |sql, name| {
        sql.replace(&format!(":{name}"), &value.to_string())
    })
}
