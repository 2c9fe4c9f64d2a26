"""The catalogue of failures has words for every code that something is refused with."""

import re
from pathlib import Path

import pytest

from deployments.pipeline.failures import CATALOGUE, UNKNOWN, explain
from instances.clouds.errors import CODES

ROOT = Path(__file__).resolve().parents[3]
RAISED = re.compile(r'\b(?:StepFailed|CloudError|HostRefused|GitFailed)\(\s*"([a-z_]+)"')


def raised_codes() -> set[str]:
    files = [path for package in ("deployments", "instances") for path in (ROOT / package).rglob("*.py")]
    return {code for path in files for code in RAISED.findall(path.read_text())}


def test_every_code_that_is_raised_has_words() -> None:
    codes = raised_codes()

    assert {"port_taken", "ssh_auth_failed", "aws_credentials"} <= codes
    assert codes - CATALOGUE.keys() == set()


def test_every_refusal_of_aws_has_words() -> None:
    assert CODES.keys() - CATALOGUE.keys() == set()


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_words_are_sentences(code: str) -> None:
    words = explain(code)

    assert not words.title.endswith(".")
    assert words.sentence.endswith(".")
    assert words.fix.endswith(".")
    assert words != UNKNOWN


def test_an_unheard_of_code_still_has_words() -> None:
    assert explain("from-another-version") is UNKNOWN
