//! Values followed from one result into later queries, with the statements of real Django.

use super::django::{Session, int};
use crate::request::Boundary;

const BOOKS: &str =
    r#"SELECT "lib_book"."id", "lib_book"."title", "lib_book"."author_id" FROM "lib_book""#;
const AUTHORS: &str = r#"SELECT "lib_author"."id", "lib_author"."name" FROM "lib_author""#;

fn author(id: i64) -> String {
    format!(r#"{AUTHORS} WHERE "lib_author"."id" = {id} LIMIT 21"#)
}

fn books_of(id: i64) -> String {
    format!(r#"{BOOKS} WHERE "lib_book"."author_id" = {id}"#)
}

fn books(session: Session, authors: &[i64]) -> Session {
    let rows = authors
        .iter()
        .enumerate()
        .map(|(at, author)| vec![int(100 + at as i64), None, int(*author)]);
    session
        .table("lib_book", 16_809)
        .select(BOOKS, &["id", "title", "author_id"], rows.collect())
}

fn authors(session: Session, ids: &[i64]) -> Session {
    let rows = ids.iter().map(|id| vec![int(*id), None]);
    session
        .table("lib_author", 16_795)
        .select(AUTHORS, &["id", "name"], rows.collect())
}

fn get_author(session: Session, id: i64) -> Session {
    session.table("lib_author", 16_795).select(
        &author(id),
        &["id", "name"],
        vec![vec![int(id), None]],
    )
}

#[test]
fn a_foreign_key_walked_in_order_is_proven() {
    let ids = [7, 3, 9, 3, 5, 1, 8, 2];
    let session = books(Session::new(), &ids);
    let session = ids
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk author ×8 lib_book: select_related("author") on the query that reads lib_book"#
        ]
    );
}

#[test]
fn three_rows_are_enough_where_all_are_walked() {
    let session = books(Session::new(), &[7, 3, 9]);
    let session = [7, 3, 9]
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(session.findings().len(), 1);
    let session = books(Session::new(), &[7, 3, 9, 1, 2, 8, 4]);
    let session = [7, 3, 9]
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(session.findings(), [""; 0]);
}

#[test]
fn values_from_elsewhere_are_no_relation() {
    // Some of them are among the authors of the books, by chance.
    let session = books(Session::new(), &[12, 11, 17, 13, 14, 19, 12, 16, 11, 15]);
    let session = [15, 21, 11, 24, 12, 18, 13, 29]
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(
        session.findings(),
        ["run loop_get  ×8 : in_bulk(ids) or filter(pk__in=ids) once, before the loop"]
    );
}

#[test]
fn a_primary_key_is_not_asked_for_by_that_of_another_table() {
    let ids: Vec<i64> = (1..=20).collect();
    let session = authors(Session::new(), &ids);
    let session = (4..16).fold(session, |session, id| {
        let get = format!(r#"{BOOKS} WHERE "lib_book"."id" = {id} LIMIT 21"#);
        session.table("lib_book", 16_809).select(
            &get,
            &["id", "title", "author_id"],
            vec![vec![int(id), None, int(1)]],
        )
    });
    assert_eq!(
        session.findings(),
        ["run loop_get  ×12 : in_bulk(ids) or filter(pk__in=ids) once, before the loop"]
    );
}

#[test]
fn rising_ids_pass_through_a_rising_list_by_chance() {
    let owners: Vec<i64> = (0..40).map(|at| at / 4).collect();
    let session = books(Session::new(), &owners);
    let session = (1..9).fold(session, get_author);
    assert_eq!(
        session.findings(),
        ["run loop_get  ×8 : in_bulk(ids) or filter(pk__in=ids) once, before the loop"]
    );
}

#[test]
fn a_list_in_another_order_is_still_walked() {
    let ids = [7, 3, 9, 3, 5, 1, 8, 2];
    let session = books(Session::new(), &ids);
    let session = ids
        .iter()
        .rev()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk author ×8 lib_book: select_related("author") on the query that reads lib_book"#
        ]
    );
}

#[test]
fn a_reverse_foreign_key_is_proven() {
    let ids = [3, 1, 4, 15, 9];
    let session = authors(Session::new(), &ids);
    let session = ids.iter().fold(session, |session, id| {
        session.table("lib_book", 16_809).select(
            &books_of(*id),
            &["id", "title", "author_id"],
            vec![],
        )
    });
    assert_eq!(
        session.findings(),
        [
            r#"proven reverse_fk book_set ×5 lib_author: prefetch_related("book_set") (or its related_name) on the query that reads lib_author"#
        ]
    );
}

#[test]
fn several_questions_of_one_kind_about_each_row_are_one_loop() {
    let ids = [3, 1, 4, 15, 9];
    let session = authors(Session::new(), &ids);
    let session = ids.iter().flat_map(|id| [(id, 1), (id, 2)]).fold(session, |session, (id, state)| {
        let count = format!(
            r#"SELECT COUNT(*) AS "__count" FROM "lib_book" WHERE ("lib_book"."author_id" = {id} AND "lib_book"."state" = {state})"#
        );
        session.table("lib_book", 16_809).select(&count, &["__count"], vec![vec![int(2)]])
    });
    let found = session.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("proven aggregate book ×10 lib_author"),
        "{found:?}"
    );
}

#[test]
fn a_chain_of_relations_has_one_fix() {
    let ids = [3, 1, 4, 15, 9];
    let profile = r#"SELECT "lib_profile"."id", "lib_profile"."author_id" FROM "lib_profile" WHERE "lib_profile"."author_id" = "#;
    let session = books(Session::new(), &ids);
    let session = ids.iter().fold(session, |session, id| {
        let session = get_author(session, *id);
        let get = format!("{profile}{id} LIMIT 21");
        session.table("lib_profile", 16_900).select(
            &get,
            &["id", "author_id"],
            vec![vec![int(id + 50), int(*id)]],
        )
    });
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk author__profile ×10 lib_book: select_related("author__profile") (or its related_name) on the query that reads lib_book"#
        ]
    );
}

#[test]
fn two_relations_of_one_list_are_two_findings() {
    let rows = [[3, 30], [1, 10], [4, 40], [1, 10], [5, 50], [9, 90]];
    let list = r#"SELECT "lib_book"."id", "lib_book"."author_id", "lib_book"."publisher_id" FROM "lib_book""#;
    let values = rows.iter().enumerate();
    let values =
        values.map(|(at, [author, publisher])| vec![int(at as i64), int(*author), int(*publisher)]);
    let session = Session::new().table("lib_book", 16_809);
    let session = session.select(list, &["id", "author_id", "publisher_id"], values.collect());
    let session = rows.iter().fold(session, |session, [author, publisher]| {
        let get = format!(
            r#"SELECT "lib_publisher"."id" FROM "lib_publisher" WHERE "lib_publisher"."id" = {publisher} LIMIT 21"#
        );
        get_author(session, *author).table("lib_publisher", 17_000).select(&get, &["id"], vec![vec![int(*publisher)]])
    });
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk author ×6 lib_book: select_related("author") on the query that reads lib_book"#,
            r#"proven forward_fk publisher ×6 lib_book: select_related("publisher") on the query that reads lib_book"#
        ]
    );
}

#[test]
fn two_foreign_keys_to_one_table_share_a_statement() {
    let rows = [[3, 7], [1, 9], [4, 3], [1, 8], [5, 2], [9, 6]];
    let list = r#"SELECT "lib_match"."id", "lib_match"."home_author_id", "lib_match"."guest_author_id" FROM "lib_match""#;
    let values = rows.iter().enumerate();
    let values = values.map(|(at, [home, guest])| vec![int(at as i64), int(*home), int(*guest)]);
    let session = Session::new().table("lib_match", 16_810);
    let session = session.select(
        list,
        &["id", "home_author_id", "guest_author_id"],
        values.collect(),
    );
    let session = rows
        .iter()
        .flatten()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk home_author,guest_author ×12 lib_match: select_related("home_author", "guest_author") on the query that reads lib_match"#
        ]
    );
}

#[test]
fn loops_in_turn_over_values_from_elsewhere_are_one_finding() {
    let session = [3, 8, 2, 9, 7, 4]
        .iter()
        .fold(Session::new(), |session, id| {
            let get = format!(
                r#"SELECT "lib_shop"."id" FROM "lib_shop" WHERE "lib_shop"."id" = {} LIMIT 21"#,
                id * 3
            );
            get_author(session, *id).table("lib_shop", 17_000).select(
                &get,
                &["id"],
                vec![vec![int(id * 3)]],
            )
        });
    let found = session.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("run interleaved  ×12"), "{found:?}");
}

#[test]
fn without_limits_only_the_list_just_before_counts() {
    let ids = [7, 3, 9, 3, 5, 1, 8, 2];
    let walk = |session| {
        ids.iter()
            .fold(session, |session, id| get_author(session, *id))
    };
    let near = walk(books(Session::new().boundary(Boundary::None), &ids));
    assert_eq!(near.findings().len(), 1);
    // Long after the list, the same values are a coincidence, or another request.
    let far = walk(books(Session::new().boundary(Boundary::None), &ids).wait_millis(3000));
    assert_eq!(far.findings(), [""; 0]);
    // A request for each list.
    let session = books(Session::new().boundary(Boundary::None), &[7, 3, 9, 3, 5]);
    let session = [7, 3, 9, 3, 5]
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    let session = books(session, &[1, 8, 2, 6, 4]);
    let session = [1, 8, 2, 6, 4]
        .iter()
        .fold(session, |session, id| get_author(session, *id));
    assert_eq!(session.findings().len(), 1);
}

/// `db_column="written_by"`: no name tells what it is.
fn written(session: Session) -> Session {
    let sql = r#"SELECT "lib_book"."id", "lib_book"."written_by" FROM "lib_book""#;
    let ids = [3, 1, 4, 1, 5, 9, 2, 6];
    let rows = ids.iter().enumerate();
    let rows = rows.map(|(at, id)| vec![int(100 + at as i64), int(*id)]);
    let session =
        session
            .table("lib_book", 16_809)
            .select(sql, &["id", "written_by"], rows.collect());
    // Some are in a cache, so that the values alone prove little.
    [3, 4, 9, 2, 6].into_iter().fold(session, get_author)
}

#[test]
fn the_catalog_of_the_server_confirms_what_no_name_tells() {
    assert_eq!(
        written(Session::new()).findings(),
        ["run loop_get  ×5 : in_bulk(ids) or filter(pk__in=ids) once, before the loop"]
    );
    let known = [["lib_book", "written_by", "lib_author", "id"]];
    let findings = written(Session::new().refers(&known)).findings();
    let [finding] = &findings[..] else {
        panic!("one finding: {findings:?}")
    };
    assert!(finding.starts_with("proven forward_fk"), "{finding}");
}

#[test]
fn the_catalog_of_the_server_refutes_what_names_and_values_agree_on() {
    let ids = [7, 3, 9, 3, 5, 1, 8, 2];
    let walk = |session| {
        let session = books(session, &ids);
        let session = (ids.iter()).fold(session, |session, id| get_author(session, *id));
        session.findings().concat()
    };
    let author = |to| [["lib_book", "author_id", to, "id"]];
    assert!(walk(Session::new().refers(&author("lib_author"))).starts_with("proven forward_fk"));
    assert!(walk(Session::new().refers(&author("crm_author"))).starts_with("run loop_get"));
    // A column that it does not know (`db_constraint=False`) is judged by names and values.
    let other = [["lib_loan", "book_id", "lib_book", "id"]];
    assert!(walk(Session::new().refers(&other)).starts_with("proven forward_fk"));
}
