"""Describing and filling answers: the schema generator's decorators with types, and rows into JSON."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from drf_spectacular.utils import (
    OpenApiExample,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
Shape = type[serializers.Serializer[Any]]


def described(**options: Any) -> Callable[[F], F]:
    """What one method of a view takes and answers; `extend_schema` with types."""
    return cast(Callable[[F], F], extend_schema(**options))


def post_described(**options: Any) -> Callable[[C], C]:
    """The same for the POST that a view inherits."""
    return cast(Callable[[C], C], extend_schema_view(post=extend_schema(**options)))


def looks_like(form: Any) -> Callable[[F], F]:
    """The form of a computed field; `extend_schema_field` with types."""
    return cast(Callable[[F], F], extend_schema_field(form))


def inline(name: str, fields: dict[str, Any], **options: Any) -> Any:
    """A small form that is used once."""
    return inline_serializer(name, fields, **options)


def list_shape(name: str, noun: str, item: Shape) -> Any:
    """The form of a list: the page's rows under their noun and under `results`."""
    return inline(
        name,
        {
            "success": serializers.BooleanField(),
            "count": serializers.IntegerField(help_text="Rows of this page."),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            noun: item(many=True),
            "results": item(many=True, help_text="The same rows; only under /api/v1/."),
        },
    )


def example(name: str, value: Any, *, status: str = "200") -> Any:
    """An answer as an example."""
    return OpenApiExample(name, value=value, response_only=True, status_codes=[status])


def request_example(name: str, value: Any) -> Any:
    """A body as an example."""
    return OpenApiExample(name, value=value, request_only=True)


def list_example(noun: str, item: Any) -> Any:
    body = {"success": True, "count": 1, "next": None, "previous": None, noun: [item], "results": [item]}
    return example("One page", body)


def shown(kind: Shape, row: Any, request: Any = None) -> dict[str, Any]:
    """A row in its form."""
    return dict(kind(row, context={"request": request}).data)


def shown_all(kind: Shape, rows: Iterable[Any], request: Any = None) -> list[Any]:
    """Rows in their form."""
    return list(kind(cast(Any, rows), many=True, context={"request": request}).data)
