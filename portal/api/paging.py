"""Pages of long lists by key: the page after a row costs the same wherever the row is."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.fields import CappedInteger, PlainInteger
from portal.api.links import absolute
from portal.api.parsing import QueryInvalid, StrictSerializer

Row = TypeVar("Row", bound=Model)

PAGE_SIZE = 50
LARGEST_PAGE = 200
# Pages by number read and throw away all rows before; further on the links have to be followed.
ROWS_BY_NUMBER = 10_000


class PageQuery(StrictSerializer):
    """How much of a list, and from where."""

    limit = CappedInteger(
        largest=LARGEST_PAGE, required=False, help_text=f"Rows per page: {PAGE_SIZE}, at most {LARGEST_PAGE}."
    )
    page_size = CappedInteger(largest=LARGEST_PAGE, required=False, help_text="Another name for `limit`.")
    page = PlainInteger(
        min_value=1, max_value=ROWS_BY_NUMBER, required=False,
        help_text="Number of the page, for the first 10,000 rows; follow `next` to go further.",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "limit" in attrs and "page_size" in attrs:
            raise QueryInvalid({"page_size": ["Send limit or page_size, not both."]})
        return attrs


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows of a list, and the query parameters of its neighbours."""

    rows: list[Row]
    next: dict[str, Any] | None
    previous: dict[str, Any] | None


def page_size(query: Mapping[str, Any]) -> int:
    size: int = query.get("limit") or query.get("page_size") or PAGE_SIZE
    return size


def page_by_number(rows: QuerySet[Row], query: Mapping[str, Any]) -> Page[Row]:
    """One page of a list that is never long."""
    size, number = page_size(query), query.get("page", 1)
    start = (number - 1) * size
    _check_depth(start)
    found = list(rows[start : start + size + 1])
    return Page(
        rows=found[:size],
        next={"page": number + 1} if len(found) > size else None,
        previous={"page": number - 1} if number > 1 else None,
    )


def page_by_key(
    rows: QuerySet[Row],
    query: Mapping[str, Any],
    *,
    in_full: Callable[[list[int]], list[Row]],
    newest_first: bool = True,
) -> Page[Row]:
    """One page of a list in the order in which its rows were made, after or before the row of a uuid.

    Finds the ids first and then asks for those rows only, so that no join is made for others.
    """
    size, backwards = page_size(query), "before" in query
    down = newest_first != backwards
    start = (query.get("page", 1) - 1) * size
    _check_depth(start)
    cursor = query.get("before") or query.get("after")
    if cursor:
        # A subquery, read once: a foreign row is no cursor, and its number never leaves the database.
        there = rows.order_by().filter(uuid=cursor).values("id")[:1]
        rows = rows.filter(**{"id__lt" if down else "id__gt": there})
    keys = list(rows.order_by("-id" if down else "id").values_list("id", flat=True)[start : start + size + 1])
    more, keys = len(keys) > size, keys[:size]
    found = in_full(keys[::-1] if backwards else keys)
    has_next = more or backwards
    has_previous = more if backwards else cursor is not None or start > 0
    return Page(
        rows=found,
        next={"after": _uuid(found[-1])} if found and has_next else None,
        previous={"before": _uuid(found[0])} if found and has_previous else None,
    )


def list_answer(
    request: Request, noun: str, items: list[Any], page: Page[Any], extra: Iterable[tuple[str, Any]] = ()
) -> Response:
    """The body of a list. `count` counts this page: counting all rows costs more than reading a page."""
    body = {
        "success": True,
        "count": len(items),
        "next": _neighbour(request, page.next),
        "previous": _neighbour(request, page.previous),
        noun: items,
        **dict(extra),
    }
    if request.path.startswith("/api/v1/"):
        # The name that API clients expect of any list; the older address has the noun only.
        body["results"] = items
    return Response(body)


def _neighbour(request: Request, change: dict[str, Any] | None) -> str | None:
    if change is None:
        return None
    kept = {name: value for name, value in request.query_params.items() if name not in _CURSORS}
    return absolute(request, f"{request.path}?{urlencode({**kept, **change})}")


def _uuid(row: Any) -> str:
    return str(row.uuid)


_CURSORS = ("after", "before", "page")


def _check_depth(start: int) -> None:
    if start >= ROWS_BY_NUMBER:
        raise NotFound(
            f"Pages by number end at row {ROWS_BY_NUMBER:,}. Follow the link in `next` to go further."
        )
