//! What holds for any request.

use super::super::column::{Column, Columns};
use super::super::lineage::MIN_HITS;
use super::super::testing::*;
use super::super::walk::Walk;
use super::super::{Detectors, Settings};
use super::super::{plausible, several};
use super::django::{Session, int};
use super::*;
use crate::request::{Boundary, Kind};
use proptest::prelude::*;
use std::collections::HashSet;

fn pool() -> Vec<Sql> {
    vec![
        books(),
        authors(),
        get("lib_author"),
        get("auth_user"),
        get_by("lib_profile", "author_id"),
        filter("lib_book", "author_id"),
        filter_in("lib_book", "author_id", 1),
        filter_in("lib_author", "id", 30),
        related("lib_tag", "lib_book_tags", "tag_id", "book_id"),
        count("lib_book", "author_id"),
        count_all("lib_book"),
        exists("lib_book", "author_id"),
        list("lib_note", &["id", "content_type_id", "object_id"]),
        insert("lib_book"),
        update("lib_author"),
        delete("lib_book"),
    ]
}

/// A value, or NULL, as a watched column has it.
fn or_null(number: Option<i64>) -> Option<u64> {
    number.map_or(Some(0), int)
}

proptest! {
    #[test]
    fn findings_are_few_and_within_the_request(
        queries in prop::collection::vec((0usize..16, 0u64..6, 0u32..25, 0u64..9), 0..120),
        bursts in prop::collection::vec(1u64..9, 120),
        boundary in prop::sample::select(vec![Boundary::Trace, Boundary::Route, Boundary::Gap, Boundary::None]),
        lost_group in any::<bool>(),
    ) {
        let pool = pool();
        let mut scenario = Scenario::new().boundary(boundary);
        for ((sql, literals, rows, odd), burst) in queries.into_iter().zip(bursts) {
            if odd == 0 {
                scenario = scenario.rollback();
            }
            for value in 0..burst {
                scenario = scenario.run(pool[sql].clone(), literals + value, rows);
            }
        }
        let mut request = scenario.request();
        if lost_group {
            request.groups.pop();
        }
        let detectors = Detectors::new(&Settings::default());
        let findings = detectors.inspect(&request);
        let causes: HashSet<_> = findings.iter().map(|finding| &finding.cause).collect();
        prop_assert_eq!(causes.len(), findings.len());
        for finding in &findings {
            prop_assert!(finding.count <= request.queries);
            prop_assert!(finding.wasted_seconds >= 0.0);
            prop_assert!(finding.wasted_seconds <= request.nanos as f64 / 1e9);
            prop_assert!(!finding.fix.is_empty());
            prop_assert_eq!(finding.parent.is_empty(), finding.cause.parent.is_none());
        }
        request.kind = Kind::Task;
        for finding in detectors.inspect(&request) {
            prop_assert_eq!(finding.severity, super::super::Severity::Info);
        }
    }

    /// What is spared by asking it first is only what would have found nothing.
    #[test]
    fn no_walk_finds_what_the_sieve_has_refused(
        rows in prop::collection::vec(0i64..40, 3..60),
        asked in prop::collection::vec(0i64..400, 3..20),
        in_order in any::<bool>(),
    ) {
        let asked = if in_order { rows.clone() } else { asked };
        let books = rows.iter().map(|author| vec![None, int(*author)]).collect();
        let mut session = Session::new().table("lib_book", 1).select(
            r#"SELECT "lib_book"."title", "lib_book"."author_id" FROM "lib_book""#,
            &["title", "author_id"],
            books,
        );
        for id in &asked {
            let author = format!(r#"SELECT "lib_author"."id" FROM "lib_author" WHERE "lib_author"."id" = {id}"#);
            session = session.select(&author, &["id"], vec![vec![int(*id)]]);
        }
        let request = session.request();
        let queries: Vec<usize> = (1..request.entries.len()).collect();
        let facts = &request.groups[1].statement.facts;
        let predicate = plausible::keys(facts).next().expect("a key");
        let columns = Columns::of(&request);
        let column = columns.all.iter().find(|column| column.stream.group == 0 && column.index == 1);
        let column = column.expect("the authors of the books");
        let fit = plausible::check(&request, facts, predicate, column.stream, column.watched);
        let walk = Walk { request: &request, column, key: 0, fit: fit.expect("a foreign key"), nested: false };
        let passed = column.sieve().may_pass(&request, &queries, 0, MIN_HITS);
        prop_assert!(passed || walk.edges(1, &queries).is_empty());
        // Most of what was asked for is there: then it must have been let through.
        let inside = asked.iter().filter(|id| rows.contains(id)).count();
        prop_assert!(passed || inside < MIN_HITS);
    }

    /// Few searches look at row after row, more of them at sorted values.
    #[test]
    fn a_column_finds_the_first_row_however_often_it_is_searched(
        rows in prop::collection::vec(prop::option::of(0i64..9), 1..40),
        searches in prop::collection::vec((0usize..40, 0u32..45, 0u32..45), 1..20),
    ) {
        let books = rows.iter().map(|author| vec![None, or_null(*author)]).collect();
        let list = r#"SELECT "lib_book"."title", "lib_book"."author_id" FROM "lib_book""#;
        let request = Session::new().table("lib_book", 1).select(list, &["title", "author_id"], books).request();
        let columns = Columns::of(&request);
        let column = columns.all.iter().find(|column| column.index == 1).expect("the authors of the books");
        let values: Vec<u32> = column.stream.column(column.watched).collect();
        for (place, from, end) in searches {
            let value = values[place % values.len()];
            let mut found = (0..).zip(&values).filter(|(row, held)| (from..end).contains(row) && **held == value);
            let first = found.next().map(|(row, _)| row).filter(|_| value != 0);
            prop_assert_eq!(column.next(value, from, end), first);
        }
    }

    /// What is spared by counting rows and queries first is only what would have found nothing.
    #[test]
    fn several_columns_are_found_as_by_trying_every_turn(
        rows in prop::collection::vec(prop::array::uniform3(prop::option::weighted(0.9, 1i64..30)), 3..12),
        turn in prop::sample::select(vec![vec![0, 1], vec![2, 0], vec![1, 2, 0]]),
        odd in prop::collection::vec((0usize..40, 1i64..60), 0..6),
    ) {
        let names = ["title", "home_author_id", "guest_author_id", "other_author_id"];
        let columns = names.map(|name| format!(r#""lib_match"."{name}""#)).join(", ");
        let list = format!(r#"SELECT {columns} FROM "lib_match""#);
        let values = rows.iter().map(|row| {
            let ids = row.iter().map(|id| or_null(*id));
            std::iter::once(None).chain(ids).collect()
        });
        let mut session = Session::new().table("lib_match", 1).select(&list, &names, values.collect());
        let mut asked: Vec<i64> = rows.iter().flat_map(|row| turn.iter().filter_map(|at| row[*at])).collect();
        for (place, id) in odd {
            asked.insert(place % (asked.len() + 1), id);
        }
        for id in asked {
            let author = format!(r#"SELECT "lib_author"."id" FROM "lib_author" WHERE "lib_author"."id" = {id}"#);
            session = session.select(&author, &["id"], vec![vec![int(id)]]);
        }
        let request = session.request();
        let queries: Vec<usize> = (1..request.entries.len()).collect();
        prop_assume!(queries.len() >= MIN_HITS);
        let columns = Columns::of(&request);
        let ids: Vec<&Column<'_>> = columns.all.iter().filter(|column| column.stream.group == 0 && column.index > 0).collect();
        prop_assert_eq!(ids.len(), 3);
        let facts = &request.groups[1].statement.facts;
        let predicate = plausible::keys(facts).next().expect("a key");
        let fit = plausible::check(&request, facts, predicate, ids[0].stream, ids[0].watched).expect("a foreign key");
        let every = (0..3).flat_map(|a| (0..3).map(move |b| vec![a, b]));
        let longer = (0..27).map(|at| vec![at / 9, at / 3 % 3, at % 3]);
        let turns = every.chain(longer).filter(|turn| (1..turn.len()).all(|at| !turn[..at].contains(&turn[at])));
        let mut plainly = turns.filter_map(|turn| {
            let watched: Vec<usize> = turn.iter().map(|at| ids[*at].watched).collect();
            let column = Column::of(ids[0].stream, &watched)?;
            let walk = Walk { request: &request, column: &column, key: 0, fit, nested: false };
            let edge = walk.edges(1, &queries).into_iter().find(|edge| edge.covers())?;
            Some((turn, edge.queries))
        });
        let found = several::best(&request, &columns, 1, &queries).map(|edge| {
            let turn: Vec<usize> = std::iter::once(edge.column).chain(edge.others).map(|index| index - 1).collect();
            (turn, edge.queries)
        });
        prop_assert_eq!(found, plainly.next());
    }
}
