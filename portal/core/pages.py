"""How addresses of pages are declared, lists are cut, and forms look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from portal.core.models import User

PAGE_SIZE = 25
# The largest value of a BIGINT key; a larger `after` in the address would be a database error.
LARGEST_KEY = 2**63 - 1

M = TypeVar("M", bound=Model)


class PageRequest(HttpRequest):
    """A request that a page gets: somebody is signed in."""

    user: User


def page(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    """An address that only people who are signed in reach."""
    return path(route, login_required(view), name=name)


@dataclass(frozen=True)
class Page(Generic[M]):
    """One page of a list, and the key after which the next one begins."""

    rows: list[M]
    next: str
    newest_shown: bool


def page_by_id(rows: QuerySet[M], after: str, *, size: int = PAGE_SIZE) -> Page[M]:
    """Cut a list that is ordered by descending id. Costs the same on every page and counts nothing."""
    key = int(after) if after.isascii() and after.isdigit() and int(after) <= LARGEST_KEY else 0
    cut = rows.order_by("-id").filter(id__lt=key) if key else rows.order_by("-id")
    found = list(cut[: size + 1])
    more = len(found) > size
    return Page(found[:size], str(found[size - 1].pk) if more else "", newest_shown=not key)


def page_by_name(rows: QuerySet[M], after: str, *, size: int = PAGE_SIZE) -> Page[M]:
    """Cut a list that is ordered by its unique `name`."""
    cut = rows.order_by("name").filter(name__gt=after) if after else rows.order_by("name")
    found = list(cut[: size + 1])
    more = len(found) > size
    return Page(found[:size], found[size - 1].name if more else "", newest_shown=not after)  # type: ignore[attr-defined]


CLASSES: dict[type, str] = {forms.Select: "select", forms.Textarea: "textarea"}


class StyledForm(forms.Form):
    """A form whose fields carry the classes of the design."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            widget = field.widget
            if isinstance(widget, (forms.CheckboxInput, forms.CheckboxSelectMultiple, forms.HiddenInput)):
                continue
            own = widget.attrs.get("class", "")
            widget.attrs["class"] = f"{CLASSES.get(type(widget), 'input')} {own}".strip()

    def take_errors(self, error: ValidationError) -> None:
        """Show what an action refused beside the fields; what belongs to none stands above them."""
        errors = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        for name, texts in errors.items():
            self.add_error(name if name in self.fields else None, _named(name, texts, self.fields))


def _named(name: str, texts: Sequence[str], fields: dict[str, Any]) -> list[str]:
    """Errors of fields that the form does not have must say what they are about."""
    if name in fields or name in ("", "__all__"):
        return list(texts)
    return [f"{name.replace('_', ' ').capitalize()}: {text}" for text in texts]
