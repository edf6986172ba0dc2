"""Pages of the admin: matches done wrong, clubs and players done right."""

from django.contrib import admin

from .models import Club, Match, Player, Stat


class StatInline(admin.TabularInline):
    """Each form loads all players anew."""

    model = Stat
    extra = 4


@admin.register(Match)  # here: duplicate_query
class MatchAdmin(admin.ModelAdmin):
    list_display = ["played", "home", "referees"]
    list_per_page = 15
    inlines = [StatInline]
    raw_id_fields = ["home_team", "away_team", "referee"]

    @admin.display
    def home(self, match):
        return match.home_team.name  # here: n_plus_one

    @admin.display
    def referees(self, match):
        return match.stats.count()  # here: n_plus_one


@admin.register(Club)
class ClubAdmin(admin.ModelAdmin):
    list_display = ["name", "city"]
    list_filter = ["city"]
    search_fields = ["name"]


@admin.register(Player)
class PlayerAdmin(admin.ModelAdmin):
    list_display = ["name", "club_name"]
    list_select_related = ["club"]
    list_per_page = 20

    @admin.display
    def club_name(self, player):
        return player.club.name
