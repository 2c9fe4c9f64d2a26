"""What the deploy form is told of a repository, without any repository being asked."""

import pytest
from pytest_django import Settings

from deployments import preflight
from deployments.pipeline import git
from instances.hosts.base import HostError
from tests.fakes import FakeHost

ID = "a" * 40
REFS = git.RemoteRefs("main", {"main": ID, "dev": ID, "a": ID}, {"v1": ID}, ID)
URL = "https://github.com/acme/app"


@pytest.fixture(autouse=True)
def allowed(settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = ["github.com"]


def look_with(
    monkeypatch: pytest.MonkeyPatch,
    refs: git.RemoteRefs,
    inspection: git.Inspection | Exception | None = None,
) -> None:
    remote = git.Remote(url=URL, protocol="https", origin="https://github.com")
    monkeypatch.setattr(git, "look", lambda *a, **k: (remote, refs))

    def inspect(*args: object, **kwargs: object) -> git.Inspection:
        if isinstance(inspection, Exception):
            raise inspection
        assert inspection is not None
        return inspection

    monkeypatch.setattr(git, "inspect", inspect)


def check(**options: str) -> list[preflight.Check]:
    return preflight.check_repository(URL, host=FakeHost(), **options)  # type: ignore[arg-type]


def test_everything_found_is_offered_to_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, REFS, git.Inspection("file", "FROM python\nEXPOSE 5000 6000\n"))
    checks = {found.name: found for found in check()}
    assert all(found.ok for found in checks.values())
    assert checks["repository"].message == "The repository answers; it has 3 branches and 1 tag."
    assert checks["branch"].values == ("main", "a", "dev")
    assert checks["port"].values == ("5000", "6000")


def test_a_dockerfile_without_a_port_gets_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, REFS, git.Inspection("file", "FROM python\n"))
    assert check()[-1].values == ("8000",)


def test_a_missing_branch_ends_the_look_and_names_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, REFS)
    repository, branch = check(branch="develop")
    assert repository.ok and not branch.ok
    assert "main" in branch.fix


def test_a_missing_dockerfile_says_where_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, REFS, git.Inspection("missing", candidates=("docker/Dockerfile",)))
    found = check()[-1]
    assert (found.name, found.ok, found.values) == ("dockerfile", False, ("docker/Dockerfile",))


def test_a_broken_dockerfile_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, REFS, git.Inspection("file", "FROM python\nNONSENSE x\n"))
    assert "line 2" in check()[-1].message


@pytest.mark.parametrize("trouble", [git.GitFailed("git_timeout", "slow"), HostError("gone")])
def test_trouble_while_reading_is_a_check_that_failed(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    look_with(monkeypatch, REFS, trouble)
    found = check()[-1]
    assert (found.name, found.ok) == ("dockerfile", False)
    assert found.fix


def test_an_empty_repository_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(monkeypatch, git.RemoteRefs())
    assert not check()[0].ok


def test_nothing_is_asked_about_fields_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    checks = preflight.check_repository(
        "https://evil.test/a/b",
        branch="--x",
        dockerfile="/etc/passwd",
        host=host,  # type: ignore[arg-type]
    )
    assert [(found.name, found.ok) for found in checks] == [
        ("repository", False), ("dockerfile", False), ("branch", False)
    ]  # fmt: skip
    assert host.commands == []


def test_the_manifest_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "FROM python\n"
    look_with(monkeypatch, REFS, git.Inspection("file", text, manifest="variables: {A: {required: true}}"))
    found = {one.name: one for one in check()}["manifest"]
    assert (found.ok, found.message, found.values) == (True, "portal.yml is there. It requires A.", ("A",))
    look_with(monkeypatch, REFS, git.Inspection("file", text, manifest="port: x"))
    found = {one.name: one for one in check()}["manifest"]
    assert not found.ok and found.message.startswith("portal.yml, line 1: ")


def test_the_dockerfile_that_the_manifest_names_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    look_with(
        monkeypatch, REFS, git.Inspection("file", "FROM python\n", manifest="dockerfile: api/Dockerfile")
    )
    assert {one.name: one for one in check()}["dockerfile"].message == "api/Dockerfile is there."
