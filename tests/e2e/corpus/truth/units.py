"""The truth about volume, writes, transactions, whole requests and tasks."""

from .words import MANY_QUERIES, Tolerate, aggregate, bad, forward, good, other

SAME_ROWS = "the same rows, seen by another detector"

VOLUME = [
    bad("volume/count_then_list", other("count_then_fetch", "helpdesk_ticket")),
    bad("volume/exists_then_list", other("count_then_fetch", "music_album")),
    good("volume/list_with_length"),
    good("volume/count_of_another"),
    bad("volume/all_readings_of_sensor", other("unbounded_select", "stock_reading")),
    good("volume/paginated_readings"),
    good("volume/sliced_readings"),
    good("volume/streamed_readings"),
    good("volume/tracks_of_albums"),
    bad("volume/export", other("large_result", "stock_reading"), Tolerate("unbounded_select", SAME_ROWS)),
    good("volume/export_iterated"),
    bad("volume/titles_with_bodies", other("wide_rows", "stock_document")),
    good("volume/titles_only"),
    good("volume/one_document"),
    bad("volume/far_page", other("deep_offset", "stock_reading")),
    good("volume/far_page_by_key"),
    good("volume/near_page"),
    bad("volume/random_readings", other("random_order", "stock_reading"), Tolerate("non_sargable", SAME_ROWS)),
    bad("volume/thousand_keys", other("huge_in_list", "stock_reading")),
    good("volume/hundred_keys"),
    bad("volume/printed_queryset", other("repr_queryset", "music_track")),
    good("volume/printed_list"),
    bad("volume/search_inside", other("non_sargable", "stock_reading")),
    bad("volume/search_by_date", other("non_sargable", "stock_reading")),
    good("volume/search_by_range"),
    good("volume/search_small_table"),
]

UNITS = [
    bad("units/many_questions", other("request_query_count", unit=True)),
    good("units/few_questions"),
    bad("units/slow_query", other("slow_query")),
    bad("units/waits_for_others", other("slow_request", unit=True)),
    bad(
        "units/writes_a_lot",
        other("write_heavy_request", unit=True),
        Tolerate("insert_loop", SAME_ROWS),
        Tolerate("update_loop", SAME_ROWS),
        MANY_QUERIES,
    ),
]

WRITES = [
    bad("writes/insert_each", other("insert_loop", "helpdesk_note"), MANY_QUERIES),
    bad("writes/insert_each_autocommit", other("insert_loop", "helpdesk_note"), MANY_QUERIES),
    good("writes/insert_at_once"),
    good("writes/insert_inherited"),
    bad("writes/update_each", other("update_loop", "stock_job"), MANY_QUERIES),
    bad("writes/update_each_by_filter", other("update_loop", "stock_job"), MANY_QUERIES),
    good("writes/update_at_once"),
    good("writes/update_in_bulk"),
    good("writes/update_by_expression"),
    bad("writes/delete_each", other("delete_loop", "helpdesk_note"), MANY_QUERIES),
    good("writes/delete_at_once"),
    good("writes/delete_with_relations"),
    bad("writes/save_everything", other("save_all_columns", "helpdesk_ticket")),
    good("writes/save_one_field"),
    bad(
        "writes/get_or_create_each",
        other("get_or_create_loop", "helpdesk_note"),
        Tolerate("insert_loop", SAME_ROWS),
        Tolerate("n_plus_one", SAME_ROWS, ("loop_get",), ("helpdesk_note",)),
        MANY_QUERIES,
        innocent=True,
    ),
    good("writes/insert_ignoring_conflicts"),
    good("writes/get_or_create_once"),
    bad("writes/add_each", other("m2m_add_loop", "helpdesk_draft_tags"), Tolerate("insert_loop", SAME_ROWS), MANY_QUERIES),
    good("writes/add_at_once"),
    good("writes/order_with_lines"),
    good("writes/retried"),
]

TRANSACTIONS = [
    bad("transactions/waits_inside", other("idle_in_transaction")),
    good("transactions/waits_after"),
    bad(
        "transactions/long_one",
        other("long_transaction"),
        Tolerate("slow_query", "it is slow because of these"),
        Tolerate("slow_request", "it is slow because of these"),
    ),
    bad("transactions/goes_on_when_broken", other("aborted_transaction")),
    good("transactions/goes_on_behind_savepoint"),
    good("transactions/fails_alone"),
    good("transactions/after_commit"),
]

# A task may run long and ask often. On a bare connection it cannot be told from a request.
FOR_TASKS = (Tolerate("request_query_count", "a bare command looks like a request"), Tolerate("slow_request", "likewise"))
TASKS = [
    bad("task/report_home_teams", forward("sports_league_club", "sports_league_match", "home_team"), *FOR_TASKS),
    bad("task/report_track_counts", aggregate("music_track", "music_album"), *FOR_TASKS),
    bad("task/import_notes", other("insert_loop", "helpdesk_note"), *FOR_TASKS),
    good("task/walk_readings", *FOR_TASKS, innocent=True),
    good("task/stream_readings", *FOR_TASKS),
    good("task/work_on_queue", *FOR_TASKS, innocent=True),
    good("task/reprice", *FOR_TASKS),
    good("task/report_home_teams_joined", *FOR_TASKS),
]

OTHERS = [*VOLUME, *UNITS, *WRITES, *TRANSACTIONS, *TASKS]
