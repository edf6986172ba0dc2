//! Loops of writes and heavy requests, from the SQL that Django sends.

use super::django::Session;
use crate::detect::{Settings, Severity};
use crate::request::Boundary;

/// `times` turns of a loop; `{}` is the number of the turn.
pub(super) fn each(session: Session, times: u64, body: &[(&str, u64)]) -> Session {
    (1..=times).fold(session, |session, turn| {
        (body.iter()).fold(session, |session, (sql, rows)| {
            session.run(&sql.replace("{}", &turn.to_string()), *rows)
        })
    })
}

fn turns(times: u64, body: &[(&str, u64)]) -> Vec<String> {
    each(Session::new(), times, body).all()
}

pub(super) const BOOKS: &str =
    r#"SELECT "lib_book"."id", "lib_book"."title", "lib_book"."price" FROM "lib_book""#;
pub(super) const CREATE: &str =
    r#"INSERT INTO "lib_tag" ("name") VALUES ('tag {}') RETURNING "lib_tag"."id""#;
pub(super) const GET_TAG: &str = r#"SELECT "lib_tag"."id", "lib_tag"."name" FROM "lib_tag" WHERE "lib_tag"."name" = 'tag {}' LIMIT 21"#;
const GET_BOOK: &str = r#"SELECT "lib_book"."id", "lib_book"."title", "lib_book"."price" FROM "lib_book" WHERE "lib_book"."id" = {} LIMIT 21"#;
const PRICE: &str = r#"UPDATE "lib_book" SET "price" = '{}.5'::numeric WHERE "lib_book"."id" = {}"#;
const DELETE: &str = r#"DELETE FROM "lib_note" WHERE "lib_note"."id" IN ({})"#;

#[test]
fn creates_in_a_loop() {
    assert_eq!(
        turns(5, &[(CREATE, 1)]),
        [
            "insert_loop ×5: Tag.objects.bulk_create(objects) once, after the loop; where save() or signals must run, \
             the loop inside transaction.atomic(): each INSERT commits on its own"
        ]
    );
    assert_eq!(turns(4, &[(CREATE, 1)]), [""; 0]);
    // A validator asks first, and the loop is in a transaction.
    let valid = r#"SELECT 1 AS "a" FROM "lib_tag" WHERE "lib_tag"."name" = 'tag {}' LIMIT 1"#;
    let atomic = Session::new().atomic(0, |it| each(it, 5, &[(valid, 0), (CREATE, 1)]));
    assert_eq!(
        atomic.all(),
        ["insert_loop ×5: Tag.objects.bulk_create(objects) once, after the loop"]
    );
}

#[test]
fn bulk_create_is_no_loop() {
    let batch =
        r#"INSERT INTO "lib_tag" ("name") VALUES ('a {}'), ('b {}') RETURNING "lib_tag"."id""#;
    let unnest = r#"INSERT INTO "lib_tag" ("name") SELECT * FROM UNNEST((ARRAY['a {}','b {}'])::varchar[]) RETURNING "lib_tag"."id""#;
    for sql in [batch, unnest] {
        assert_eq!(turns(9, &[(sql, 2)]), [""; 0], "{sql}");
    }
}

#[test]
fn what_cannot_be_created_in_bulk_is_no_mistake() {
    // A model that inherits from another table.
    let book = r#"INSERT INTO "lib_book" ("title") VALUES ('{}') RETURNING "lib_book"."id""#;
    let special = r#"INSERT INTO "lib_special" ("book_ptr_id", "cover") VALUES ({}, 'c')"#;
    assert_eq!(turns(5, &[(book, 1), (special, 1)]), [""; 0]);
    let log = r#"INSERT INTO "django_admin_log" ("object_id") VALUES ('{}') RETURNING "django_admin_log"."id""#;
    assert_eq!(turns(5, &[(log, 1)]), [""; 0]);
    // Other writes in no order in between: these belong to other things.
    let mut session = Session::new();
    for turn in 0..6 {
        session = session.run(CREATE, 1);
        for other in 0..=turn % 3 {
            let update =
                format!(r#"UPDATE "lib_t{other}" SET "n" = 1 WHERE "lib_t{other}"."id" = 1"#);
            session = session.run(&update, 1);
        }
    }
    assert!(
        !session
            .all()
            .iter()
            .any(|found| found.starts_with("insert"))
    );
}

/// Without limits of requests, five requests of one INSERT look like a loop, but not in one transaction.
#[test]
fn guessed_requests_need_a_transaction() {
    let guessed = || Session::new().boundary(Boundary::None);
    assert_eq!(each(guessed(), 9, &[(CREATE, 1)]).all(), [""; 0]);
    let atomic = guessed().atomic(0, |it| each(it, 5, &[(CREATE, 1)]));
    assert_eq!(atomic.all().len(), 1);
}

#[test]
fn saves_in_a_loop() {
    let found =
        "update_loop ×5: Book.objects.bulk_update(objects, [\"price\"]) once, after the loop";
    assert_eq!(turns(5, &[(PRICE, 1)]), [found]);
    assert_eq!(turns(4, &[(PRICE, 1)]), [""; 0]);
    let after_list = Session::new().run(BOOKS, 5);
    assert_eq!(each(after_list, 5, &[(PRICE, 1)]).all(), [found]);
    // get() and save(): one loop, not two. refresh_from_db() after save(): the same.
    assert_eq!(turns(5, &[(GET_BOOK, 1), (PRICE, 1)]), [found]);
    assert_eq!(turns(6, &[(PRICE, 1), (GET_BOOK, 1)]).len(), 1);
    // The loop explains the number of queries.
    assert_eq!(turns(11, &[(PRICE, 1)]).len(), 1);
}

#[test]
fn the_fix_of_an_update_depends_on_what_it_sets() {
    let same = r#"UPDATE "lib_book" SET "sale" = true WHERE "lib_book"."id" = {}"#;
    let count =
        r#"UPDATE "lib_book" SET "views" = ("lib_book"."views" + 1) WHERE "lib_book"."id" = {}"#;
    let each_its_own =
        r#"UPDATE "lib_book" SET "views" = ("lib_book"."views" + {}) WHERE "lib_book"."id" = {}"#;
    let many = r#"UPDATE "lib_book" SET "a" = {}, "b" = {}, "c" = {}, "author_id" = 1 WHERE "lib_book"."id" = {}"#;
    let by_user = r#"UPDATE "lib_profile" SET "seen" = true WHERE "lib_profile"."user_id" = {}"#;
    for (sql, fix) in [
        (
            same,
            "Book.objects.filter(pk__in=…).update(sale=…) once, instead of the loop",
        ),
        (
            count,
            "Book.objects.filter(pk__in=…).update(views=F(…)) once, instead of the loop",
        ),
        (
            each_its_own,
            "Book.objects.bulk_update(objects, [\"views\"]) once, after the loop",
        ),
        (
            many,
            "Book.objects.bulk_update(objects, […]) once, after the loop, with only the fields that change",
        ),
        (
            by_user,
            "Profile.objects.filter(user__in=…).update(seen=…) once, instead of the loop",
        ),
    ] {
        assert_eq!(turns(5, &[(sql, 1)]), [format!("update_loop ×5: {fix}")]);
    }
}

#[test]
fn updates_that_may_be_meant_so_are_no_mistake() {
    // The same row again and again: a progress bar.
    let progress = r#"UPDATE "lib_job" SET "done" = {} WHERE "lib_job"."id" = 7"#;
    // An optimistic lock.
    let version = r#"UPDATE "lib_book" SET "price" = 1 WHERE ("lib_book"."id" = {} AND "lib_book"."version" = 3)"#;
    let bulk = r#"UPDATE "lib_book" SET "price" = (CASE WHEN ("lib_book"."id" = {}) THEN 1 ELSE NULL END)::numeric WHERE "lib_book"."id" IN ({}, 1000)"#;
    for sql in [progress, version, bulk] {
        assert_eq!(turns(9, &[(sql, 1)]), [""; 0], "{sql}");
    }
    // select_for_update().get(pk=…): each row is locked, then changed.
    let lock = format!("{GET_BOOK} FOR UPDATE");
    assert_eq!(turns(5, &[(&lock, 1), (PRICE, 1)]), [""; 0]);
}

/// `save()` of a new object with a key of its own tries an UPDATE first: it is the INSERT that is in a loop.
#[test]
fn new_objects_with_a_key_are_inserts() {
    let update = r#"UPDATE "lib_tag" SET "name" = 'k' WHERE "lib_tag"."id" = {}"#;
    let insert = r#"INSERT INTO "lib_tag" ("id", "name") VALUES ({}, 'k')"#;
    let found = turns(5, &[(update, 0), (insert, 1)]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("insert_loop ×5"), "{found:?}");
}

#[test]
fn deletes_in_a_loop() {
    assert_eq!(
        turns(5, &[(DELETE, 1)]),
        ["delete_loop ×5: Note.objects.filter(pk__in=…).delete() once, instead of the loop"]
    );
    assert_eq!(turns(4, &[(DELETE, 1)]), [""; 0]);
    let at_once = r#"DELETE FROM "lib_note" WHERE "lib_note"."id" IN ({}, 101, 102, 103)"#;
    assert_eq!(turns(5, &[(at_once, 4)]), [""; 0]);
    let nothing = turns(5, &[(DELETE, 0)]);
    assert_eq!(nothing, [""; 0]);
}

/// Of what goes with each author, only the authors are in the loop.
#[test]
fn a_cascade_is_one_loop_of_its_root() {
    let books = r#"SELECT "lib_book"."id" FROM "lib_book" WHERE "lib_book"."author_id" IN ({})"#;
    let book = r#"DELETE FROM "lib_book" WHERE "lib_book"."id" IN ({})"#;
    let profile = r#"DELETE FROM "lib_profile" WHERE "lib_profile"."author_id" IN ({})"#;
    let author = r#"DELETE FROM "lib_author" WHERE "lib_author"."id" IN ({})"#;
    let cascade = [(books, 1), (profile, 1), (book, 1), (author, 1)];
    let found =
        "delete_loop ×6: Author.objects.filter(pk__in=…).delete() once, instead of the loop";
    let all = turns(6, &cascade);
    assert!(all.contains(&found.to_owned()), "{all:?}");
    assert_eq!(
        all.iter().filter(|one| one.starts_with("delete")).count(),
        1
    );
    // Not all of them have a book.
    let mut session = Session::new();
    for turn in 1..=6 {
        let body = if turn % 4 == 0 {
            &cascade[3..]
        } else {
            &cascade[..]
        };
        for (sql, rows) in body {
            session = session.run(&sql.replace("{}", &turn.to_string()), *rows);
        }
    }
    let all = session.all();
    assert!(all.contains(&found.to_owned()), "{all:?}");
    // One after the other they are two loops.
    let session = each(Session::new(), 5, &[(DELETE, 1)]);
    assert_eq!(each(session, 5, &[(author, 1)]).all().len(), 2);
}

#[test]
fn get_or_create_in_a_loop() {
    let found =
        "Tag.objects.bulk_create(objects, ignore_conflicts=True) once, then filter(name__in=…)";
    assert_eq!(
        turns(5, &[(GET_TAG, 0), (CREATE, 1)]),
        [format!("get_or_create_loop ×10: {found}")]
    );
    assert_eq!(turns(4, &[(GET_TAG, 0), (CREATE, 1)]), [""; 0]);
    // Some exist: two of six do not.
    let mut session = Session::new();
    for turn in 1..=6 {
        let new = turn % 3 == 0;
        session = session.run(&GET_TAG.replace("{}", &turn.to_string()), u64::from(!new));
        if new {
            session = session.run(&CREATE.replace("{}", &turn.to_string()), 1);
        }
    }
    assert_eq!(session.all(), [format!("get_or_create_loop ×8: {found}")]);
    // All but the last exist: no loop of anything.
    let session = each(Session::new(), 8, &[(GET_TAG, 1)]);
    let last = session.run(&GET_TAG.replace("{}", "9"), 0).run(CREATE, 1);
    assert_eq!(last.all(), [""; 0]);
}

#[test]
fn update_or_create_in_a_loop() {
    let get = format!("{GET_TAG} FOR UPDATE");
    let update = r#"UPDATE "lib_tag" SET "name" = 'tag {}' WHERE "lib_tag"."id" = {}"#;
    assert_eq!(
        turns(5, &[(&get, 1), (update, 1)]),
        [
            "get_or_create_loop ×10: Tag.objects.bulk_create(objects, update_conflicts=True, unique_fields=[\"name\"], \
             update_fields=[…]) once; or filter(name__in=…).select_for_update() once, then bulk_update()"
        ]
    );
}

#[test]
fn add_in_a_loop() {
    let add = r#"INSERT INTO "lib_book_tags" ("book_id", "tag_id") VALUES (1, {}) ON CONFLICT DO NOTHING"#;
    let asked = r#"SELECT "lib_book_tags"."tag_id" FROM "lib_book_tags" WHERE ("lib_book_tags"."book_id" = 1 AND "lib_book_tags"."tag_id" IN ({}))"#;
    let found = "m2m_add_loop ×5: book.tags.add(*objects) once; for several of book: \
                 Book.tags.through.objects.bulk_create(…, ignore_conflicts=True)";
    assert_eq!(turns(5, &[(add, 1)]), [found]);
    assert_eq!(turns(5, &[(asked, 0), (add, 1)]), [found]);
    assert_eq!(turns(4, &[(add, 1)]), [""; 0]);
    let at_once = r#"INSERT INTO "lib_book_tags" ("book_id", "tag_id") VALUES ({}, 1), ({}, 2) ON CONFLICT DO NOTHING"#;
    assert_eq!(turns(5, &[(at_once, 2)]), [""; 0]);
}

/// A row of so many columns: its `get()` and its `save()`.
fn wide(columns: usize) -> (String, String) {
    let names: Vec<String> = (0..columns).map(|at| format!("c{at}")).collect();
    let read: Vec<String> = names
        .iter()
        .map(|name| format!("\"t\".\"{name}\""))
        .collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("\"{name}\" = 'x'"))
        .collect();
    (
        format!(
            r#"SELECT "t"."id", {} FROM "t" WHERE "t"."id" = 1 LIMIT 21"#,
            read.join(", ")
        ),
        format!(r#"UPDATE "t" SET {} WHERE "t"."id" = 1"#, set.join(", ")),
    )
}

#[test]
fn a_wide_row_that_is_written_back_whole() {
    let (get, save) = wide(8);
    let both = |bytes, get: &str, save: &str| Session::new().read(get, 1, bytes).run(save, 1).all();
    assert_eq!(
        both(300, &get, &save),
        [
            "save_all_columns ×1: save(update_fields=[…]) with the fields that change, on the T that get() returned"
        ]
    );
    // Other rows, fewer columns set, and the UPDATE alone.
    assert_eq!(both(300, &get, &save.replace("= 1", "= 2")), [""; 0]);
    assert_eq!(
        both(300, &get, r#"UPDATE "t" SET "c0" = 'x' WHERE "t"."id" = 1"#),
        [""; 0]
    );
    assert_eq!(Session::new().run(&save, 1).all(), [""; 0]);
    // A narrow row counts by its size.
    let (get, save) = wide(3);
    assert_eq!(both(2047, &get, &save), [""; 0]);
    assert_eq!(both(2048, &get, &save).len(), 1);
}

#[test]
fn many_writes_of_a_request() {
    let session = r#"SELECT "django_session"."session_key" FROM "django_session" WHERE "django_session"."session_key" = 'k' LIMIT 21"#;
    let work = |session: Session, writes: u64| {
        (0..writes).fold(session, |session, at| {
            session.run(
                &format!(r#"UPDATE "lib_t{at}" SET "n" = 1 WHERE "lib_t{at}"."id" = 1"#),
                1,
            )
        })
    };
    let heavy = |session: Session| {
        let found = session.inspect(&Settings::default());
        let mut heavy = found
            .into_iter()
            .filter(|found| found.cause.detector == "write_heavy_request");
        heavy.next().map(|found| found.severity)
    };
    let http = || Session::new().run(session, 1);
    assert_eq!(heavy(work(http(), 50)), Some(Severity::Warning));
    assert_eq!(heavy(work(http(), 49)), None);
    // Nothing shows that a user waits for it.
    assert_eq!(heavy(work(Session::new(), 50)), Some(Severity::Info));
    // Its limits are a guess.
    assert_eq!(heavy(work(http(), 50).boundary(Boundary::Gap)), None);
    // The loop explains them.
    assert_eq!(
        heavy(each(http(), 60, &[(CREATE, 1)])),
        Some(Severity::Info)
    );
}
