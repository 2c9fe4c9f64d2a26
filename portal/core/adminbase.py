"""What all admin pages share: scoped rows, rights from the rules, and changes in our own audit."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from portal.core import audit
from portal.core.errors import ActionDenied, NotFound

# Django's own classes take no parameters when they run.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class LookOnly:
    """No right to add, change or delete; staff may look, and the rows are scoped to their teams."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_staff)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LookOnlyInline(LookOnly, TabularInline):
    """Rows of another table, to look at."""

    extra = 0
    shown: Sequence[str] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.shown)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return list(self.shown)


class PortalModelAdmin(LookOnly, ModelAdmin):
    """A list that costs the same however long it is, and a history from the audit."""

    list_per_page = 50
    show_full_result_count = False
    # Counts beside every filter would cost a query over all rows each.
    show_facets = admin.ShowFacets.NEVER
    # True where the actions behind it write the audit events.
    audited_by_actions = False
    # The fields of a page on which nothing can be changed.
    shown: Sequence[str] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self.shown) or super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return list(self.shown) or super().get_readonly_fields(request, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The audit log of this object."""
        row = self.get_object(request, object_id)
        if row is None:
            raise NotFound
        query = {"object_type": row._meta.model_name, "object_id": str(getattr(row, "uuid", row.pk))}
        return redirect(f"{reverse('admin:core_auditevent_changelist')}?{urlencode(query)}")

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, obj, "added", message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._record(request, obj, "changed", message)

    def _record(self, request: Any, obj: Model, verb: str, message: Any) -> None:
        if not self.audited_by_actions:
            what = (
                message if isinstance(message, (list, str)) else json.loads(json.dumps(message, default=str))
            )
            audit.record(f"{obj._meta.model_name}.{verb}", obj, by=request.user, what=what)


def for_each(request: HttpRequest, rows: Iterable[Model], do: Callable[[Any], object], done: str) -> None:
    """Do it with each row, and say of each what came of it."""
    for row in rows:
        try:
            result = do(row)
        except ActionDenied as refusal:
            messages.error(request, f"{row}: {refusal.message}")
        except NotFound:
            messages.error(request, f"{row}: it is not there.")
        else:
            name = getattr(result, "deployment", None)
            messages.success(request, f"{row}: {done}" + (f" as {name}." if name and name != row else "."))
