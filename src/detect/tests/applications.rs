//! Loops of real applications that were once named wrongly: `docs/accuracy.md`.

use super::django::{Session, int};

fn get_range(session: Session, id: i64) -> Session {
    let get = format!(
        r#"SELECT "offer_range"."id", "offer_range"."name" FROM "offer_range" WHERE "offer_range"."id" = {id} LIMIT 21"#
    );
    let row = vec![int(id), None];
    session
        .table("offer_range", 17_100)
        .select(&get, &["id", "name"], vec![row])
}

/// `offer.condition.range`, `offer.benefit.range` behind `select_related("condition", "benefit")`: the ids of ranges,
/// conditions and benefits are the same by chance.
#[test]
fn two_relations_of_two_relations_have_their_whole_ways() {
    let list = r#"SELECT "offer_conditionaloffer"."id", "offer_conditionaloffer"."condition_id", "offer_conditionaloffer"."benefit_id", COUNT("voucher_voucher_offers"."voucher_id") AS "voucher_count", "offer_condition"."id", "offer_condition"."range_id", "offer_benefit"."id", "offer_benefit"."range_id" FROM "offer_conditionaloffer" LEFT OUTER JOIN "voucher_voucher_offers" ON ("offer_conditionaloffer"."id" = "voucher_voucher_offers"."conditionaloffer_id") INNER JOIN "offer_condition" ON ("offer_conditionaloffer"."condition_id" = "offer_condition"."id") INNER JOIN "offer_benefit" ON ("offer_conditionaloffer"."benefit_id" = "offer_benefit"."id") GROUP BY "offer_conditionaloffer"."id", "offer_condition"."id", "offer_benefit"."id" LIMIT 20"#;
    let columns = [
        "id",
        "condition_id",
        "benefit_id",
        "voucher_count",
        "id",
        "range_id",
        "id",
        "range_id",
    ];
    let ids = [1, 2, 3, 2, 4, 2, 5, 2];
    let rows = ids.iter().enumerate().map(|(at, id)| {
        let id = int(*id);
        vec![int(at as i64 + 1), id, id, int(1), id, id, id, id]
    });
    let session = Session::new()
        .table("offer_conditionaloffer", 17_000)
        .select(list, &columns, rows.collect());
    let session = ids.iter().fold(session, |session, id| {
        get_range(get_range(session, *id), *id)
    });
    assert_eq!(
        session.findings(),
        [
            r#"proven forward_fk condition__range,benefit__range ×16 offer_conditionaloffer: select_related("condition__range", "benefit__range") on the query that reads offer_conditionaloffer"#
        ]
    );
}

/// `product.parent.product_class` where all parents are of one class: the same value again and again is a duplicate.
#[test]
fn the_same_value_for_each_row_is_no_loop_over_several_keys() {
    let list = r#"SELECT "catalogue_product"."id", "catalogue_product"."product_class_id", T2."id", T2."parent_id", T2."product_class_id" FROM "catalogue_product" LEFT OUTER JOIN "catalogue_product" T2 ON ("catalogue_product"."parent_id" = T2."id")"#;
    let columns = [
        "id",
        "product_class_id",
        "id",
        "parent_id",
        "product_class_id",
    ];
    let rows = (0..8).map(|at| vec![int(100 + at), Some(0), int(90), Some(0), int(1)]);
    let session =
        Session::new()
            .table("catalogue_product", 17_000)
            .select(list, &columns, rows.collect());
    let session = (0..8).fold(session, |session, _| {
        let get = r#"SELECT "catalogue_productclass"."id" FROM "catalogue_productclass" WHERE "catalogue_productclass"."id" = 1 LIMIT 21"#;
        session.table("catalogue_productclass", 17_200).select(get, &["id"], vec![vec![int(1)]])
    });
    let found = session.findings();
    assert!(
        found.iter().all(|finding| !finding.contains("forward_fk")),
        "{found:?}"
    );
}
