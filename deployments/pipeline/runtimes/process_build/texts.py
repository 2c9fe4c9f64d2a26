"""What changes in the text of a RUN line besides its paths."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import zip_longest

from deployments.pipeline.runtimes.process_build import shell

PIP_INSTALL = re.compile(
    r"\b(?:pip3?(?:\.\d+)?|pip)\s+(?:[^\s;|&]+\s+)*?(?:install|download|wheel)\b[^;|&\n]*"
)
UV_PIP = re.compile(r"\buv\s+pip\s+(?:install|sync)\b[^;|&\n]*")
# These change what all their arguments name; the others only what the last one names.
CHANGE_ALL = {"chmod", "mkdir", "mv", "rm", "rmdir", "sed", "tee", "touch", "truncate", "unlink"}
CHANGE_LAST = {"cp", "install", "ln", "rsync"}
TARGET_FLAGS = re.compile(
    r"(?:--(?:prefix|target|root|directory|output|target-directory|user-dir|src|dest)=|-[CotOP]=?)(/.+)"
)
REDIRECT = re.compile(r"(?:\d|&)?>>?\|?\s*(/[^\s;|&<>()\"'`]+)")


def adapt_pip(text: str) -> str:
    """Keep pip's cache, which lies outside the image, and lead `--user` to the image's home."""
    text = PIP_INSTALL.sub(lambda found: _pip(found.group()), text)
    return UV_PIP.sub(lambda found: re.sub(r"\s--system\b", "", found.group()), text)


def _pip(command: str) -> str:
    command = re.sub(r"\s--no-cache-dir\b|\s--no-cache\b", "", command)
    return re.sub(r"\s--user\b", ' --ignore-installed --prefix="$HOME/.local"', command)


def written_paths(text: str) -> Iterator[str]:
    """Absolute paths that a shell text plainly writes to: these become the image's own."""
    yield from REDIRECT.findall(text)
    for words in shell.simple_commands(text):
        command, arguments = posixpath.basename(words[0]), words[1:]
        for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
            if found := TARGET_FLAGS.match(word):
                yield found.group(1)
            elif word in (
                "--prefix",
                "--target",
                "--root",
                "-t",
                "-o",
                "-O",
                "-C",
                "-d",
                "--output",
            ) and following.startswith("/"):
                yield following
        plain = [word for word in arguments if word.startswith("/")]
        if command in CHANGE_ALL:
            yield from plain
        elif command in CHANGE_LAST and arguments and arguments[-1].startswith("/"):
            yield arguments[-1]
        elif command == "venv" or "venv" in arguments:
            yield from plain
