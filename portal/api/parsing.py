"""Reading input strictly: JSON with one meaning only, known fields and parameters only."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType, ValidationError
from rest_framework.parsers import BaseParser

BODY_LIMIT = 1024 * 1024
DEPTH_LIMIT = 20
# Longer numbers cost time to read and fit nowhere.
DIGITS_LIMIT = 400


class TooLarge(APIException):
    """The body is longer than any request needs."""

    status_code = 413
    default_detail = "The body is larger than 1 MiB."
    default_code = "too_large"


class LengthRequired(APIException):
    """The body came in chunks, without saying how long it is."""

    status_code = 411
    default_detail = "Send the header Content-Length."
    default_code = "length_required"


class StrictJSONParser(BaseParser):
    """JSON in UTF-8, at most 1 MiB and 20 levels deep, without duplicate keys, NaN or lone surrogates."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        _check_headers(request.META, media_type or "")
        raw = stream.read(BODY_LIMIT + 1)
        if len(raw) > BODY_LIMIT:
            raise TooLarge
        return parse_json(raw)


def parse_json(raw: bytes) -> Any:
    """Read one JSON document, or raise ParseError saying what is wrong with it."""
    try:
        data = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_bounded_int,
        )
        _check_shape(data)
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.") from None
    except RecursionError:
        raise ParseError(f"The body is nested deeper than {DEPTH_LIMIT} levels.") from None
    except json.JSONDecodeError as error:
        raise ParseError(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    return data


def _check_headers(meta: Mapping[str, Any], media_type: str) -> None:
    """Refuse other charsets and compressed bodies, and what is too long before it is read."""
    charset = [part.partition("=")[2] for part in media_type.lower().replace(" ", "").split(";")[1:]]
    if any(word.strip('"') not in ("utf-8", "utf8") for word in charset):
        raise UnsupportedMediaType(media_type, "Only application/json in UTF-8 is read.")
    if meta.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMediaType(media_type, "Compressed bodies are not read.")
    if int(meta.get("CONTENT_LENGTH") or 0) > BODY_LIMIT:
        raise TooLarge


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ParseError(f"The key {twice[:80]!r} stands twice in the same object.")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise ParseError(f"{word} is not JSON.")


def _finite_float(text: str) -> float:
    number = float(text) if len(text) <= DIGITS_LIMIT else float("inf")
    if number in (float("inf"), float("-inf")):
        raise ParseError("A number is too large.")
    return number


def _bounded_int(text: str) -> int:
    if len(text) > DIGITS_LIMIT:
        raise ParseError("A number is too large.")
    return int(text)


def _check_shape(data: Any) -> None:
    """Refuse deep nesting and text that no database or file can hold."""
    level = [data]
    for _ in range(DEPTH_LIMIT + 1):
        if not level:
            return
        for value in level:
            _check_texts(value)
        level = [child for value in level for child in _children(value)]
    if level:
        raise ParseError(f"The body is nested deeper than {DEPTH_LIMIT} levels.")


def _children(value: Any) -> list[Any]:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [child for child in children if isinstance(child, dict | list | str)]


def _check_texts(value: Any) -> None:
    texts = value if isinstance(value, dict) else (value,) if isinstance(value, str) else ()
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ParseError("A text holds half of a surrogate pair, which is no character.") from None


class StrictSerializer(serializers.Serializer[Any]):
    """Input with known fields only."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, Mapping) else set()
        if unknown:
            known = ", ".join(self.fields) or "none"
            raise ValidationError(
                {name: [f"There is no such field. There are: {known}."] for name in sorted(unknown)},
                code="unknown_field",
            )
        return super().to_internal_value(data)


class QueryInvalid(ValidationError):
    """Query parameters were refused; told apart from fields of the body in the error's pointers."""


class NoQuery(StrictSerializer):
    """No query parameters."""


class NoBody(StrictSerializer):
    """No fields."""


def read_query(parameters: QueryDict, kind: type[StrictSerializer]) -> dict[str, Any]:
    """The query parameters as values; each may stand once."""
    twice = sorted(name for name, values in parameters.lists() if len(values) > 1)
    if twice:
        raise QueryInvalid({name: ["This parameter stands more than once."] for name in twice})
    serializer = kind(data=parameters.dict())
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise QueryInvalid(error.detail) from None
    values: dict[str, Any] = serializer.validated_data
    return values


def read_body(data: Any, kind: type[StrictSerializer], *, partial: bool = False) -> dict[str, Any]:
    """The fields of the body as values."""
    serializer = kind(data=data, partial=partial)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values
