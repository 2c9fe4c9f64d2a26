"""What may be said about the treatment of requests, and how wrong values are refused."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deployments.inputs.proxy_options import DEFAULTS, parse_proxy_options
from deployments.pipeline.proxies.base import ProxyOptions


def test_what_is_left_out_has_its_default() -> None:
    assert parse_proxy_options({}) == DEFAULTS
    assert parse_proxy_options({"body_mb": 10240}) == {**DEFAULTS, "body_mb": 10240}


def test_the_defaults_are_those_of_a_route() -> None:
    options = ProxyOptions(**{**DEFAULTS, "allow": tuple(DEFAULTS["allow"])})

    assert options == ProxyOptions()


def test_results_can_be_changed_without_changing_the_defaults() -> None:
    parse_proxy_options({})["allow"].append("10.0.0.0/8")
    parse_proxy_options({})["headers"]["X-A"] = "b"

    assert parse_proxy_options({}) == DEFAULTS == {**DEFAULTS, "allow": [], "headers": {}}


def test_everything_at_once() -> None:
    value = {
        "body_mb": 1, "read_seconds": 3600, "websockets": False, "headers": {"X-Frame-Options": "DENY"},
        "allow": ["10.0.0.0/8", "203.0.113.7", "203.0.113.7/32", "2001:db8::/32"],
    }  # fmt: skip

    assert parse_proxy_options(value) == {
        **value,
        "allow": ["10.0.0.0/8", "203.0.113.7/32", "2001:db8::/32"],
    }


WRONG: list[tuple[Any, str]] = [
    (None, "are an object"),
    ([], "are an object"),
    ({"body": 5}, "no proxy option body"),
    ({"body_mb": 0}, "from 1 to 10240"),
    ({"body_mb": 10241}, "from 1 to 10240"),
    ({"body_mb": "50"}, "whole number"),
    ({"body_mb": True}, "whole number"),
    ({"body_mb": 1.5}, "whole number"),
    ({"read_seconds": 3601}, "from 1 to 3600"),
    ({"websockets": "yes"}, "true or false"),
    ({"headers": ["X-A: b"]}, "names and values"),
    ({"headers": {"X A": "b"}}, "letters, digits and hyphens"),
    ({"headers": {"X-A\nSet-Cookie": "b"}}, "letters, digits and hyphens"),
    ({"headers": {"X-A": "b\r\nSet-Cookie: x"}}, "visible ASCII"),
    ({"headers": {"X-A": "$http_cookie"}}, "replace"),
    ({"headers": {"X-A": "  "}}, "Fill it in"),
    ({"headers": {"X-A": "b" * 1001}}, "Shorten"),
    ({"headers": {"Content-Length": "0"}}, "set by the proxy"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "twice"),
    ({"headers": {f"X-{n}": "1" for n in range(21)}}, "at most 20"),
    ({"allow": "10.0.0.0/8"}, "list of networks"),
    ({"allow": ["10.0.0.1/8"]}, "Write 10.0.0.0/8"),
    ({"allow": ["all; }"]}, "not a network"),
    ({"allow": [10]}, "not a network"),
    ({"allow": [f"10.0.{n}.0/24" for n in range(51)]}, "at most 50"),
]


@pytest.mark.parametrize(("value", "words"), WRONG)
def test_wrong_values_are_refused_with_what_to_write(value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse_proxy_options(value)
