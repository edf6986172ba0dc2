"""The truth about views that read row by row."""

from .words import (
    DEEP,
    MANY_QUERIES,
    Expect,
    Tolerate,
    aggregate,
    bad,
    forward,
    good,
    loop,
    many,
    other,
    prefetch,
    reverse,
    select,
)

BULK = r"in_bulk|__in\b"
A_LOOP_OF_GETS = Tolerate("n_plus_one", "a loop over keys from outside is worth a hint, not a join", ("loop_get",))
ASKED_EACH = Tolerate("n_plus_one", "one question for each row that the user sent", ("loop_get", "exists"))

FORWARD = [
    bad("forward/album_artists", forward("music_artist", "music_album", "artist")),
    good("forward/album_artists_joined"),
    bad("forward/album_labels", forward("record_labels", "music_album", "label")),
    good("forward/album_labels_from_dict"),
    bad("forward/artist_managers", forward("accounts_member", "music_artist", "manager")),
    good("forward/album_keys_only"),
    # One statement, two relations: half a fix leaves half of the loop.
    bad("forward/match_teams", forward("sports_league_club", "sports_league_match", "home_team", "away_team")),
    good("forward/match_teams_joined"),
    bad("forward/match_home_teams", forward("sports_league_club", "sports_league_match", "home_team")),
    bad("forward/match_referees", forward("sports_league_person", "sports_league_match", "referee")),
    good("forward/match_referees_annotated"),
    bad("forward/ticket_categories", forward("helpdesk_category", "helpdesk_ticket", "category")),
    good("forward/ticket_categories_prefetched"),
    bad("forward/ticket_assignees", forward("accounts_member", "helpdesk_ticket", "assignee")),
    good("forward/ticket_duplicates_none"),
    # The column `supp_no` is all that the wire shows of the field `supplier`.
    bad("forward/product_suppliers", forward("stock_supplier", "stock_product", "supp(?:lier|_no)")),
    bad("forward/active_product_suppliers", forward("stock_supplier", "stock_product", "supp(?:lier|_no)")),
    bad("forward/player_clubs", forward("sports_league_club", "sports_league_player", "club")),
    good("forward/player_clubs_joined"),
    bad("forward/genre_parents", forward("music_genre", "music_genre", "parent")),
    good("forward/genre_parents_joined"),
    bad("forward/newest_three", forward("music_artist", "music_album", "artist")),
    bad("forward/newest_four", forward("sports_league_player", "sports_league_stat", "player")),
    bad("forward/second_page", forward("sports_league_club", "sports_league_match", "away_team")),
    good("forward/second_page_joined"),
    bad("forward/movements_iterated", forward("stock_product", "stock_movement", "product"), MANY_QUERIES),
    good("forward/movements_iterated_joined"),
    bad(
        "forward/album_artist_and_label",
        forward("music_artist", "music_album", "artist"),
        forward("record_labels", "music_album", "label"),
        MANY_QUERIES,
    ),
    good("forward/album_detail"),
    bad("forward/track_artists", forward("music_album music_artist", "music_track", "album__artist"), MANY_QUERIES),
    good("forward/track_artists_joined"),
    bad("forward/reply_topics", forward("helpdesk_category", "helpdesk_reply", "ticket__category")),
    bad(
        "forward/reply_teams",
        forward("helpdesk_ticket accounts_member accounts_team", "helpdesk_reply", "ticket__created_by__team"),
        MANY_QUERIES,
        DEEP,
    ),
    good("forward/reply_teams_joined"),
    bad(
        "forward/own_tickets",
        Expect(
            ("n_plus_one", "duplicate_query"), ("forward_fk",), ("accounts_member",), select("created_by"), "helpdesk_ticket"
        ),
    ),
    good("forward/own_tickets_known"),
]

REVERSE = [
    bad("reverse/club_players", reverse("sports_league_player", "sports_league_club", "player_set")),
    good("reverse/club_players_prefetched"),
    bad("reverse/player_stats", reverse("sports_league_stat", "sports_league_player", "stat_set")),
    bad("reverse/label_releases", reverse("music_album", "record_labels", "releases|album_set")),
    bad("reverse/artist_albums", reverse("music_album", "music_artist", "album_set")),
    good("reverse/artist_albums_prefetched"),
    bad("reverse/club_home_matches", reverse("sports_league_match", "sports_league_club", "home_matches|match_set")),
    bad("reverse/member_assigned", reverse("helpdesk_ticket", "accounts_member", "assigned|ticket_set")),
    bad("reverse/four_tickets", reverse("helpdesk_reply", "helpdesk_ticket", "reply_set")),
    # Two links. Each in its own words is as good as one prefetch_related() of both.
    bad(
        "reverse/artist_tracks",
        reverse("music_album music_track", "music_artist", "album_set__track_set|track_set"),
        MANY_QUERIES,
    ),
    good("reverse/artist_tracks_prefetched"),
    bad("reverse/genre_children", reverse("music_genre", "music_genre", "children|genre_set")),
    good("reverse/genre_tree_at_once"),
    bad("reverse/album_genres", many("music_genre", "music_album", "genres")),
    good("reverse/album_genres_prefetched"),
    # The field is not in the name of the table in between where that is a model.
    bad("reverse/sponsor_clubs", many("sports_league_club", "sports_league_sponsor", r"\w+")),
    bad("reverse/playlist_tracks", loop("many_to_many", "music_track", r"prefetch_related\(Prefetch\(", "music_playlist")),
    good("reverse/playlist_tracks_prefetched"),
    bad("reverse/album_covers", loop("reverse_one_to_one", "music_cover", select("cover"), "music_album")),
    good("reverse/album_covers_joined"),
    bad("reverse/member_cards", loop("reverse_one_to_one", "accounts_card", select("card"), "accounts_member")),
    bad("reverse/filtered_after_prefetch", loop("reverse_fk", "sports_league_player", r"Prefetch\(", "sports_league_club")),
    good("reverse/filtered_in_prefetch"),
    good("reverse/filtered_in_python"),
    # The accessor is GenericRelation's; Django's default for the look of it is that of a foreign key.
    bad(
        "reverse/ticket_attachments",
        loop("reverse_fk generic_fk", "helpdesk_attachment", prefetch("attachments|attachment_set"), "helpdesk_ticket"),
    ),
    bad(
        "reverse/latest_home_match",
        loop("reverse_fk", "sports_league_match", r"Prefetch\(|Subquery\(|Window\(", "sports_league_club"),
    ),
    good("reverse/latest_home_match_subquery"),
    bad(
        "reverse/prefetch_one_by_one",
        loop("single_prefetch", "music_track", r"once.*prefetch_related|prefetch_related.*once", "music_album"),
    ),
    good("reverse/prefetch_at_once"),
    good("reverse/prefetch_in_chunks", innocent=True),
    bad("reverse/manual_filter", reverse("music_track", "music_album", "track_set")),
    good("reverse/grouped_by_hand"),
]

PER_ROW = [
    bad("perrow/track_counts", aggregate("music_track", "music_album")),
    good("perrow/track_counts_annotated"),
    # Django 4.2 joins, 5.x counts the rows in between.
    bad("perrow/genre_counts", aggregate("music_album music_album_genres", "music_genre")),
    bad("perrow/release_counts", aggregate("music_album", "record_labels")),
    bad("perrow/goal_sums", aggregate("sports_league_stat", "sports_league_match", "Sum")),
    good("perrow/goal_sums_annotated"),
    bad("perrow/largest_movement", aggregate("stock_movement", "stock_bin", "Max")),
    good("perrow/several_numbers_at_once"),
    bad("perrow/answered", loop("exists", "helpdesk_reply", r"Exists\(", "helpdesk_ticket")),
    good("perrow/answered_annotated"),
    bad("perrow/answered_by_me", loop("exists", "helpdesk_reply", r"Exists\(", "helpdesk_ticket")),
    good("perrow/owns_list"),
    bad("perrow/only_too_little", loop("deferred_field", "helpdesk_ticket", r'"priority"', "helpdesk_ticket")),
    good("perrow/only_enough"),
    bad("perrow/deferred_but_read", loop("deferred_field", "stock_document", r'"body"', "stock_document")),
    good("perrow/deferred_and_left_alone"),
    bad(
        "perrow/only_lost_the_key",
        loop("deferred_field forward_fk", "stock_product stock_supplier", r"only\(|select_related\(", "stock_product"),
        MANY_QUERIES,
    ),
    bad("perrow/refreshed", loop("loop_get deferred_field", "stock_product", BULK, "stock_product")),
]

LOOPS = [
    bad("loops/products_of_movements", loop("loop_get forward_fk", "stock_product", BULK + "|" + select("product"))),
    good("loops/products_of_movements_in_bulk"),
    bad("loops/tickets_by_own_keys", loop("loop_get", "helpdesk_ticket", BULK)),
    bad("loops/basket", loop("loop_get", "stock_product", BULK)),
    good("loops/basket_in_bulk"),
    bad("loops/members_by_handle", loop("loop_get", "accounts_member", BULK)),
    good("loops/members_by_handle_at_once"),
    good("loops/list_then_basket", A_LOOP_OF_GETS, innocent=True),
    good("loops/dense_keys", A_LOOP_OF_GETS, innocent=True),
    good("loops/first_three"),
    bad("loops/raw_per_row", loop("forward_fk loop_get", "record_labels", BULK + "|JOIN|" + select("label"), "music_album")),
    good("loops/raw_joined"),
    bad(
        "loops/dictionaries",
        loop("forward_fk loop_get", "stock_bin", BULK + "|" + select("to_bin"), "stock_movement"),
    ),
    bad(
        "loops/attachment_targets",
        loop("generic_fk", "helpdesk_ticket music_album sports_league_match", prefetch("content_object"), "helpdesk_attachment"),
        MANY_QUERIES,
    ),
    good("loops/attachment_targets_prefetched"),
    bad("loops/same_setting", other("duplicate_query", "accounts_preference", unit=True)),
    good("loops/same_setting_kept"),
    bad("loops/same_list_and_count", other("duplicate_query", "helpdesk_ticket", unit=True)),
    good("loops/different_settings"),
    good("loops/four_objects"),
    good("loops/permission_twice"),
    good("loops/lookup_lists"),
    good("loops/batches_in_bulk"),
    good("loops/log_in"),
    good("loops/dashboard"),
]

RENDER = [
    bad("render/fixtures", forward("sports_league_club", "sports_league_match", "home_team")),
    good("render/fixtures_joined"),
    bad("render/squads", reverse("sports_league_player", "sports_league_club", "player_set")),
    good("render/squads_prefetched"),
    bad("render/board", aggregate("helpdesk_ticket", "helpdesk_category")),
    bad(
        "render/album_cards",
        forward("music_artist", "music_album", "artist"),
        loop("reverse_one_to_one", "music_cover", select("cover"), "music_album"),
        many("music_genre", "music_album", "genres"),
        MANY_QUERIES,
    ),
    good("render/album_cards_fetched"),
    bad("render/counted_then_listed", other("count_then_fetch", "helpdesk_ticket")),
    good("render/counted_with_length"),
]

SERIALIZERS = [
    bad("serializers/albums", forward("music_artist", "music_album", "artist")),
    good("serializers/albums_joined"),
    bad("serializers/album_tracks", reverse("music_track", "music_album", "track_set")),
    good("serializers/album_tracks_prefetched"),
    bad("serializers/album_countries", forward("music_artist music_country", "music_album", "artist__country"), MANY_QUERIES),
    good("serializers/album_countries_joined"),
    bad("serializers/categories", aggregate("helpdesk_ticket", "helpdesk_category")),
    bad("serializers/ticket_tags", many("helpdesk_tag", "helpdesk_ticket", "tags")),
    good("serializers/ticket_tags_prefetched"),
    bad("serializers/genres", many("music_album", "music_genre", "album_set")),
    good("serializers/match_keys"),
    good("serializers/player"),
    bad(
        "serializers/deep",
        loop("reverse_fk many_to_many", "music_album music_track music_playlist", prefetch(r"\w*(track_set|playlist_set)")),
        other("serializer_depth"),
        MANY_QUERIES,
    ),
    good("serializers/deep_prefetched"),
    bad(
        "serializers/playlists",
        forward("accounts_member", "music_playlist", "owner"),
        aggregate("music_playlistentry music_track", "music_playlist"),
        MANY_QUERIES,
    ),
]

FORMS = [
    bad("forms/choices", forward("stock_supplier", "stock_product", "supp(?:lier|_no)")),
    good("forms/choices_joined"),
    bad("forms/assign_many", other("duplicate_query", "accounts_member", unit=True)),
    good("forms/assign_many_shared"),
    good("forms/ticket_form"),
    good("forms/unique_fields"),
    good("forms/unique_in_formset", ASKED_EACH, innocent=True),
    good("forms/checked_by_hand", ASKED_EACH, innocent=True),
    good("forms/valid_choices"),
]

ASYNC = [
    bad("asynchronous/album_artists", loop("forward_fk loop_get", "music_artist", BULK + "|" + select("artist"), "music_album")),
    good("asynchronous/album_artists_joined"),
    bad("asynchronous/reply_counts", aggregate("helpdesk_reply", "helpdesk_ticket")),
    bad("asynchronous/away_teams", forward("sports_league_club", "sports_league_match", "away_team")),
    good("asynchronous/away_teams_joined"),
    bad("asynchronous/squads", reverse("sports_league_player", "sports_league_club", "player_set")),
    good("asynchronous/numbers"),
    good("asynchronous/iterated"),
]

ADMIN = [
    bad(
        "admin/sports_league/match",
        forward("sports_league_club", "sports_league_match", "home_team"),
        aggregate("sports_league_stat", "sports_league_match"),
        MANY_QUERIES,
    ),
    bad(
        "admin/sports_league/match/1/change",
        other("duplicate_query", "sports_league_player", unit=True),
        MANY_QUERIES,
    ),
    bad("admin/helpdesk/reply", forward("helpdesk_ticket helpdesk_category", "helpdesk_reply", "ticket__category"), MANY_QUERIES),
    good("admin"),
    good("admin/sports_league/club"),
    good("admin/sports_league/player"),
    # The admin joins what list_display names, but not what may be NULL.
    bad("admin/helpdesk/ticket", forward("accounts_member", "helpdesk_ticket", "assignee"), MANY_QUERIES),
    good("admin/helpdesk/category/2/change"),
    good("admin/helpdesk/ticket/11/change"),
]

READS = [*FORWARD, *REVERSE, *PER_ROW, *LOOPS, *RENDER, *SERIALIZERS, *FORMS, *ASYNC, *ADMIN]
