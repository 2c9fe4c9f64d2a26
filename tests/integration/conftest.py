"""What all integration tests need."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Begin each test with an empty cache, so that no test uses up another's requests per minute."""
    cache.clear()
