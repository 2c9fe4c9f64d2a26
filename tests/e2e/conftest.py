"""Tests that need the acceptance cloud share it, or have it alone."""

from collections.abc import Iterator

import pytest

from tests.e2e import cloud


@pytest.fixture(autouse=True)
def cloud_is_held(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.node.get_closest_marker("cloudbox") is None:
        yield
        return
    with cloud.held(alone=request.node.get_closest_marker("alone") is not None):
        yield
