//! Loops in loops, with the statements of real Django.

use super::django::{Session, int};

const TABLES: [&str; 4] = ["lib_author", "lib_book", "lib_review", "lib_vote"];
const AUTHORS: [i64; 5] = [11, 14, 12, 19, 17];

/// The id of the row of a table that hangs on an author.
fn id(level: usize, author: usize) -> i64 {
    match level {
        0 => AUTHORS[author],
        level => 300 * level as i64 - 7 * author as i64,
    }
}

/// The rows of a level that hang on those of the level above, for one author or by a prefetch for all.
fn read(session: Session, level: usize, authors: std::ops::Range<usize>) -> Session {
    let table = TABLES[level];
    let session = session.table(table, 16_800 + level as u32);
    if level == 0 {
        let sql = format!(r#"SELECT "{table}"."id", "{table}"."name" FROM "{table}""#);
        let rows = authors.map(|author| vec![int(id(0, author)), None]);
        return session.select(&sql, &["id", "name"], rows.collect());
    }
    let key = format!("{}_id", TABLES[level - 1].trim_start_matches("lib_"));
    let above: Vec<i64> = authors
        .clone()
        .map(|author| id(level - 1, author))
        .collect();
    let predicate = match above.as_slice() {
        [one] => format!("= {one}"),
        several => {
            let several: Vec<String> = several.iter().map(i64::to_string).collect();
            format!("IN ({})", several.join(", "))
        }
    };
    let sql = format!(
        r#"SELECT "{table}"."id", "{table}"."{key}" FROM "{table}" WHERE "{table}"."{key}" {predicate}"#
    );
    let rows = authors.map(|author| vec![int(id(level, author)), int(id(level - 1, author))]);
    session.select(&sql, &["id", &key], rows.collect())
}

/// A list of authors whose serializer nests so many levels.
fn nested(levels: usize) -> Session {
    (0..AUTHORS.len()).fold(read(Session::new(), 0, 0..5), |session, author| {
        (1..=levels).fold(session, |session, level| {
            read(session, level, author..author + 1)
        })
    })
}

fn depth(session: Session) -> Vec<String> {
    let found = session
        .inspect(&crate::detect::Settings::default())
        .into_iter();
    found
        .filter(|finding| finding.cause.detector == "serializer_depth")
        .map(|finding| format!("×{} {}: {}", finding.count, finding.parent, finding.fix))
        .collect()
}

#[test]
fn three_loops_in_each_other_are_deep() {
    assert_eq!(
        depth(nested(3)),
        [
            "×15 lib_author: a serializer for lists with fewer levels than that for one object; each level of \
             lib_author → lib_book → lib_review → lib_vote is read row by row"
        ]
    );
}

/// Two levels are `n_plus_one`'s alone.
#[test]
fn two_levels_are_not() {
    assert_eq!(depth(nested(2)), [""; 0]);
}

/// `prefetch_related("book_set__review_set__vote_set")`
#[test]
fn a_prefetched_tree_is_not() {
    let session = (0..=3).fold(Session::new(), |session, level| read(session, level, 0..5));
    assert_eq!(depth(session), [""; 0]);
}

/// Three loops beside each other, over one list.
#[test]
fn loops_beside_each_other_are_not() {
    let other = |session: Session, table: &str, author: usize| {
        let id = AUTHORS[author];
        let sql = format!(
            r#"SELECT "{table}"."id", "{table}"."author_id" FROM "{table}" WHERE "{table}"."author_id" = {id}"#
        );
        let rows = vec![vec![int(900 + author as i64), int(id)]];
        session
            .table(table, 17_000)
            .select(&sql, &["id", "author_id"], rows)
    };
    let session = (0..5).fold(read(Session::new(), 0, 0..5), |session, author| {
        ["lib_prize", "lib_photo", "lib_quote"]
            .into_iter()
            .fold(session, |session, table| other(session, table, author))
    });
    assert_eq!(depth(session), [""; 0]);
}
