"""What of the portal's own surroundings a build is given: how to reach the package index, no more."""

import configparser
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

PASSED_ON = (
    "PIP_CERT", "PIP_CLIENT_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_NO_INDEX",
    "PIP_PROXY", "PIP_RETRIES", "PIP_TIMEOUT", "PIP_TRUSTED_HOST", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL",
    "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
    "ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "all_proxy", "https_proxy", "http_proxy", "no_proxy",
)  # fmt: skip
FIXED = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def build_environment(environ: Mapping[str, str] | None = None, home: Path | None = None) -> dict[str, str]:
    """The variables for RUN lines. The user's own pip configuration is read here: a build sees no home."""
    environ = os.environ if environ is None else environ
    given = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    return {**_user_configuration(home or Path.home()), **given, **FIXED}


def _user_configuration(home: Path) -> dict[str, str]:
    """The settings of the user's pip.conf as the variables that mean the same."""
    found: dict[str, str] = {}
    for path in (home / ".pip/pip.conf", home / ".config/pip/pip.conf"):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update(_as_variables(parser.items(section)))
    return found


def _as_variables(items: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, value in items:
        name = "PIP_" + key.upper().replace("-", "_")
        if name in PASSED_ON and value.strip():
            yield name, " ".join(value.split())
