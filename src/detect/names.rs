//! How Django names tables, columns and relations, where the wire shows only the first two.
//!
//! A model's table is `<app_label>_<model>` and a foreign key's column `<field>_id`
//! (`django/db/models/options.py` `contribute_to_class`, `fields/related.py` `get_attname`). `db_table` and
//! `db_column` may say otherwise: then names do not fit and other evidence has to carry a finding.

use std::borrow::Cow;

/// How well a foreign key's field name fits the table that it would lead to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fit {
    /// Not by its name.
    None,
    /// The table holds users, whose foreign keys are named after their role (`owner`, `created_by`).
    Role,
    /// One name contains the other: `main_author` and `lib_author`.
    Near,
    /// The field is named after the model.
    Exact,
}

/// Model name in lower case, as Django's default accessors use it: `book` of `lib_book`.
pub(super) fn model(table: &str) -> &str {
    match table.rsplit_once('_') {
        Some((_, model)) if !model.is_empty() => model,
        _ => table,
    }
}

/// Class name, its inner capitals lost: `Orderline` of `shop_orderline`.
pub(super) fn class(table: &str) -> String {
    let mut letters = model(table).chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Field name of a foreign key's column: `author` of `author_id`; `book` of the parent link `book_ptr_id`.
pub(super) fn field(column: &str) -> Option<&str> {
    let field = column.strip_suffix("_id")?;
    let field = field.strip_suffix("_ptr").unwrap_or(field);
    (!field.is_empty()).then_some(field)
}

/// Name to write in `filter()` or in an index: `author` of `author_id`, else the column itself. A generic key's
/// `object_id` is a field of its own.
pub(super) fn lookup(column: &str) -> &str {
    match field(column) {
        Some(field) if !is_object_id(column) => field,
        _ => column,
    }
}

/// Model and field of the many-to-many table `table`, named `<app_label>_<model>_<field>`
/// (`django/db/models/fields/related.py`, `_get_m2m_db_table`), that `key` leads from to a model of `parent`'s app.
///
/// From the model that has no field, only a plural is taken for one: `shop_order_item` may as well be the `item` of
/// an app `shop_order`.
pub(super) fn through<'a>(table: &'a str, parent: &str, key: &str) -> Option<(&'a str, &'a str)> {
    let app = parent.strip_suffix(model(parent))?;
    let (model, field) = table.strip_prefix(app)?.split_once('_')?;
    let named = !app.is_empty() && !model.is_empty() && !field.is_empty();
    (named && (model == key || field.ends_with('s'))).then_some((model, field))
}

/// Whether a column says which model a generic foreign key leads to (`content_type_id`, `ct_id`).
pub(super) fn is_content_type(column: &str) -> bool {
    column == "ct_id" || column.ends_with("content_type_id")
}

/// Whether a column holds a generic foreign key's value (`object_id`, `oid`, `object_pk`).
pub(super) fn is_object_id(column: &str) -> bool {
    column == "oid" || column.ends_with("object_id") || column.ends_with("object_pk")
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

/// A name without its underscores.
pub(super) fn squash(name: &str) -> Cow<'_, str> {
    if name.contains('_') {
        Cow::Owned(name.replace('_', ""))
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether this is a name without its underscores and its plural. Most differ in the first letter.
fn is_squashed(squashed: &str, name: &str) -> bool {
    let letters = singular(name.trim_end_matches('_')).bytes();
    letters.filter(|byte| *byte != b'_').eq(squashed.bytes())
}

/// Whether a field, squashed, is named after the model of `table`, be one of them a plural.
pub(super) fn is_exact(squashed: &str, table: &str) -> bool {
    let field = singular(squashed);
    let app = singular(table).strip_suffix(field);
    let is_model = app.is_some_and(|app| app.ends_with('_'));
    let named = !squashed.is_empty() && !table.is_empty();
    named && ((is_model && !table.ends_with('_')) || is_squashed(field, table))
}

/// How well `field` fits `table`.
pub(super) fn fit(field: &str, table: &str) -> Fit {
    let squashed = squash(field);
    let squashed = squashed.as_ref();
    if is_exact(squashed, table) {
        return Fit::Exact;
    }
    let model = model(table);
    if squashed.is_empty() || model.is_empty() {
        return Fit::None;
    }
    // Three letters: shorter names are inside of too many others.
    if (model.len() >= 3 && squashed.contains(model))
        || (squashed.len() >= 3 && model.ends_with(squashed))
    {
        return Fit::Near;
    }
    if singular(model).ends_with("user") {
        return Fit::Role;
    }
    Fit::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_fits_the_model_it_is_named_after() {
        assert_eq!(fit("author", "lib_author"), Fit::Exact);
        assert_eq!(fit("order_line", "shop_orderline"), Fit::Exact);
        assert_eq!(fit("order_item", "order_items"), Fit::Exact);
        assert_eq!(fit("main_author", "lib_author"), Fit::Near);
        assert_eq!(fit("user", "accounts_customuser"), Fit::Near);
        assert_eq!(fit("created_by", "auth_user"), Fit::Role);
        assert_eq!(fit("publisher", "lib_author"), Fit::None);
        assert_eq!(fit("lib_author_", "lib_authors_"), Fit::Exact);
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_exact_by_its_model_or_its_whole_table(field in "[as_]{0,5}", table in "[as_]{0,6}") {
            let (squashed, whole) = (squash(&field), squash(&table));
            let one_of = [model(&table), &*whole].map(singular);
            let named = !squashed.is_empty() && !table.is_empty();
            let exact = named && one_of.contains(&singular(&squashed));
            proptest::prop_assert_eq!(is_exact(&squashed, &table), exact);
        }
    }

    #[test]
    fn a_many_to_many_table_is_told_by_its_name() {
        let tags = Some(("book", "tags"));
        assert_eq!(through("lib_book_tags", "lib_book", "book"), tags);
        assert_eq!(through("lib_book_tags", "lib_tag", "tag"), tags);
        assert_eq!(through("lib_book", "lib_author", "author"), None);
        assert_eq!(through("shop_order_item", "shop_product", "product"), None);
        assert_eq!(through("lib_book_tags", "tag", "tag"), None);
    }

    #[test]
    fn names_come_from_tables_and_columns() {
        assert_eq!(model("my_shop_book"), "book");
        assert_eq!(model("books"), "books");
        assert_eq!(class("shop_orderline"), "Orderline");
        assert_eq!(field("author_id"), Some("author"));
        assert_eq!(field("book_ptr_id"), Some("book"));
        assert_eq!(field("id"), None);
        assert_eq!(field("_id"), None);
    }
}
