"""What the tests' own servers share."""

import os
import socket


def free_port() -> int:
    """A port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def required() -> set[str]:
    """What must not be missing here: PORTAL_TESTS_REQUIRE=docker,postgres,redis,browser."""
    return {word.strip() for word in os.environ.get("PORTAL_TESTS_REQUIRE", "").split(",") if word.strip()}
