"""People, teams, tokens and the audit log, as staff see them."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.core import access, tokens
from portal.core.adminbase import PortalModelAdmin, TabularInline, for_each
from portal.core.models import AuditEvent, Membership, Team, Token, User


class MembershipInline(TabularInline):
    """Who is in it, with which role."""

    model = Membership
    extra = 0
    autocomplete_fields = ["user"]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_staff)

    def _may(self, request: Any, obj: Any) -> bool:
        return obj is not None and isinstance(obj, Team) and access.can(request.user, "team.manage", obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may(request, obj)


class OwnMembershipInline(MembershipInline):
    """The teams of one person; changed at the team, where its admins decide."""

    autocomplete_fields = []
    fields = ["team", "role"]
    readonly_fields = ["team", "role"]

    def _may(self, request: Any, obj: Any) -> bool:
        return False


@admin.register(User)
class PersonAdmin(PortalModelAdmin, UserAdmin):  # type: ignore[type-arg]
    """People. Only portal admins change them, and nobody changes his own rights."""

    list_display = ["username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    search_fields = ["username", "email", "first_name", "last_name"]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = ()
    inlines = [OwnMembershipInline]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["username", "usable_password", "password1", "password2"]})
    ]

    def get_queryset(self, request: Any) -> QuerySet[User]:
        rows = super().get_queryset(request)
        if request.user.is_superuser:
            return rows
        return rows.filter(
            memberships__team__in=access.teams_with(request.user, "application.see")
        ).distinct()

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        fields = list(super().get_readonly_fields(request, obj))
        if obj is None or (request.user.is_superuser and obj.pk != request.user.pk):
            return fields
        return [*fields, "is_active", "is_staff", "is_superuser"]

    def get_inlines(self, request: Any, obj: Any) -> list[Any]:
        return [] if obj is None else self.inlines


@admin.register(Team)
class TeamAdmin(PortalModelAdmin):
    """Teams and who is in them; changed by portal admins and by the team's own admins."""

    list_display = ["name", "slug", "members", "created_at"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]

    def get_queryset(self, request: Any) -> QuerySet[Team]:
        return access.teams_with(request.user, "application.see").annotate(
            member_count=Count("memberships", distinct=True)
        )

    @admin.display(ordering="member_count")
    def members(self, team: Any) -> int:
        return int(team.member_count)

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return obj is not None and access.can(request.user, "team.manage", obj)

    def get_prepopulated_fields(self, request: Any, obj: Any = None) -> dict[str, Any]:
        return {} if obj else dict(self.prepopulated_fields)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []

    def get_inlines(self, request: Any, obj: Any) -> list[Any]:
        return [] if obj is None else list(self.inlines)


@admin.register(Token)
class TokenAdmin(PortalModelAdmin):
    """Tokens are made by their owners; here they can be looked at and revoked."""

    list_display = ["name", "user", "start", "may", "last_used_at", "expires_at", "revoked_at"]
    list_filter = ["expires_at", "revoked_at"]
    search_fields = ["name", "identifier", "user__username"]
    list_select_related = ["user"]
    shown = [
        "name", "user", "start", "may", "created_at", "expires_at", "revoked_at", "last_used_at", "last_used_from",
    ]  # fmt: skip
    actions = ["revoke"]

    def get_queryset(self, request: Any) -> QuerySet[Token]:
        return tokens.visible_tokens(request.user)

    @admin.display(description="Begins with", ordering="identifier")
    def start(self, token: Token) -> SafeString:
        return format_html("<code>portal_{}_…</code>", token.identifier)

    @admin.display(description="May")
    def may(self, token: Token) -> str:
        return ", ".join(token.scopes)

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: Any, queryset: QuerySet[Token]) -> None:
        for_each(
            request, queryset, lambda token: tokens.revoke(token=token, by=request.user), "no longer works"
        )


@admin.register(AuditEvent)
class AuditEventAdmin(PortalModelAdmin):
    """Who did what to what, when, from where and why. Nobody changes it."""

    list_display = ["at", "action", "who", "object_name", "surface", "address", "allowed"]
    list_filter = ["allowed", "surface", "object_type"]
    search_fields = ["action", "actor_name", "object_name", "object_id", "request_id"]
    list_select_related = ["actor"]
    shown = [
        "at", "action", "who", "object_type", "object_name", "object_id", "team", "allowed", "reason", "details",
        "surface", "address", "token", "request_id", "previous_hash", "hash",
    ]  # fmt: skip

    def get_queryset(self, request: Any) -> QuerySet[AuditEvent]:
        rows = super().get_queryset(request).select_related("team")
        if request.user.is_superuser:
            return rows
        return rows.filter(team__in=access.teams_with(request.user, "audit.see_team"))

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        return lookup == "object_id" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Who", ordering="actor_name")
    def who(self, event: AuditEvent) -> str:
        return event.actor_name or "the portal"
