"""Changelists that follow foreign keys: by name, which Django joins where they are never NULL, and by code."""

from django.contrib import admin

from .models import Category, Reply, Ticket


@admin.register(Ticket)  # here: n_plus_one
class TicketAdmin(admin.ModelAdmin):
    list_display = ["title", "category", "created_by", "assignee"]
    list_per_page = 20
    raw_id_fields = ["created_by", "assignee", "duplicate_of"]


@admin.register(Reply)
class ReplyAdmin(admin.ModelAdmin):
    list_display = ["text", "topic"]
    list_per_page = 12

    @admin.display
    def topic(self, reply):
        return reply.ticket.category.name  # here: n_plus_one


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ["slug", "name"]
