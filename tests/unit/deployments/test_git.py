"""What git says, and what the portal makes of it; how a repository is reached with which credentials."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from deployments import inputs
from deployments.pipeline import git
from portal.core.secrets import Secret

ID, OTHER = "a" * 40, "b" * 40
LISTING = f"""ref: refs/heads/trunk\tHEAD
{ID}\tHEAD
{OTHER}\trefs/heads/main
{ID}\trefs/heads/trunk
{"c" * 40}\trefs/pull/7/head
{"d" * 40}\trefs/tags/v1
{OTHER}\trefs/tags/v1^{{}}
{ID}\trefs/tags/light
"""


def test_a_listing_is_read_with_peeled_tags_and_without_other_refs() -> None:
    refs = git.parse_ls_remote(f"warning: something\n{LISTING}")
    assert refs.default_branch == "trunk"
    assert refs.branches == {"main": OTHER, "trunk": ID}
    assert refs.tags == {"v1": OTHER, "light": ID}
    assert [refs.find(ref) for ref in ("", "main", "v1", "gone", "C" * 40)] == [
        ID,
        OTHER,
        OTHER,
        None,
        "c" * 40,
    ]


def test_a_branch_goes_before_a_tag_of_the_same_name() -> None:
    refs = git.parse_ls_remote(f"{ID}\trefs/heads/x\n{OTHER}\trefs/tags/x\n")
    assert refs.find("x") == ID


def test_an_old_server_that_does_not_name_its_default_branch_is_understood() -> None:
    refs = git.parse_ls_remote(f"{ID}\tHEAD\n{ID}\trefs/heads/a\n{ID}\trefs/heads/master\n")
    assert refs.default_branch == "master"


@given(st.text())
def test_any_output_can_be_read(text: str) -> None:
    refs = git.parse_ls_remote(text)
    assert all(len(commit) == 40 for commit in refs.commits.values())


SAID = [
    ("remote: Repository not found.\nfatal: repository 'https://github.com/a/b.git/' not found", "repository_not_found"),
    ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", "repository_not_found"),
    ("ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\nPlease make sure\n",
     "repository_not_found"),
    ("ERROR: The project you were looking for could not be found or you don't have permission to view it.",
     "repository_not_found"),
    ("fatal: '/srv/x' does not appear to be a git repository", "repository_not_found"),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 404", "repository_not_found"),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 403", "repository_not_found"),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 301", "repository_moved"),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 503", "git_unreachable"),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 429", "git_unreachable"),
    ("fatal: unable to access 'https://x/': Could not resolve host: x", "git_unreachable"),
    ("fatal: unable to access 'https://x/': Failed to connect to x port 443 after 2 ms: Couldn't connect to server",
     "git_unreachable"),
    ("ssh: connect to host x port 22: Connection refused\nfatal: Could not read from remote repository.",
     "git_unreachable"),
    ("ssh: connect to host x port 22: Connection timed out", "git_timeout"),
    ("fatal: unable to access 'https://x/': Operation too slow. Less than 1000 bytes/sec", "git_timeout"),
    ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate", "git_tls_failed"),
    ("fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none", "git_tls_failed"),
    ("Host key verification failed.\nfatal: Could not read from remote repository.", "git_host_key_changed"),
    ("fatal: transport 'ext' not allowed", "git_host_refused"),
    ("fatal: couldn't find remote ref refs/heads/x", "branch_not_found"),
    ("fatal: remote error: upload-pack: not our ref " + ID, "commit_not_found"),
    ("fatal: write error: No space left on device", "disk_full"),
    ("git is not installed on this machine", "git_missing"),
    ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", "git_unreachable"),
    ("something new", "git_failed"),
]  # fmt: skip
REFUSED = [
    "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.",
    "fatal: Authentication failed for 'https://github.com/a/b.git/'",
    "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://x/'",
    'Load key "/x/deploy_key": invalid format\ngit@x: Permission denied (publickey).',
]


@pytest.mark.parametrize(("output", "code"), SAID)
def test_what_git_says_has_a_code_of_the_catalogue(output: str, code: str) -> None:
    failure = git.classify(output, 128, has_credentials=False)
    assert failure.code == code
    assert failure.detail


@pytest.mark.parametrize("output", REFUSED)
def test_refused_credentials_are_not_a_missing_repository(output: str) -> None:
    assert git.classify(output, 128, has_credentials=True).code == "git_auth_failed"


@pytest.mark.parametrize("exit_code", [124, 137])
def test_a_command_that_was_ended_took_too_long(exit_code: int) -> None:
    assert git.classify("", exit_code, has_credentials=False).code == "git_timeout"


@given(st.text(), st.integers(1, 255), st.booleans())
def test_the_detail_is_one_short_printable_line(output: str, code: int, has_credentials: bool) -> None:
    failure = git.classify(output, code, has_credentials=has_credentials)
    assert len(failure.detail) <= 400
    assert "\n" not in failure.detail and "\x1b" not in failure.detail


TOKEN, KEY = Secret("token-0123456789"), Secret("KEY")


@pytest.mark.parametrize(
    ("url", "token", "key", "expected"),
    [
        ("https://github.com/a/b", None, None, "https://github.com/a/b.git"),
        ("git@github.com:a/b.git", None, None, "https://github.com/a/b.git"),
        ("git@github.com:a/b.git", TOKEN, None, "https://github.com/a/b.git"),
        ("git@github.com:a/b.git", None, KEY, "ssh://git@github.com/a/b.git"),
        ("https://github.com/a/b", None, KEY, "ssh://git@github.com/a/b.git"),
        ("https://github.com/a/b", TOKEN, KEY, "https://github.com/a/b.git"),
        ("https://gitlab.com/g/s/p", None, None, "https://gitlab.com/g/s/p.git"),
        ("https://git.corp/g/p", None, None, "https://git.corp/g/p"),
        ("https://git.corp/g/p.git", None, None, "https://git.corp/g/p.git"),
        ("ssh://git@git.corp:2222/g/p", TOKEN, None, "ssh://git@git.corp:2222/g/p"),
        ("http://10.0.0.5:3000/g/p", TOKEN, KEY, "http://10.0.0.5:3000/g/p"),
    ],
)
def test_a_key_goes_by_ssh_and_everything_else_by_https(
    url: str, token: Secret | None, key: Secret | None, expected: str, settings: Settings
) -> None:
    settings.GIT_ALLOWED_HOSTS = [
        "github.com", "gitlab.com", "git.corp", "ssh://git.corp:2222", "http://10.0.0.5:3000"
    ]  # fmt: skip
    remote = git.remote_for(url, token=token, deploy_key=key)
    assert remote.url == expected
    assert remote.protocol == expected.partition(":")[0]
    assert "token-0123456789" not in remote.url
    assert remote.has_key == ("deploy_key" in remote.files)


@pytest.mark.parametrize(
    ("host", "token", "user"),
    [
        ("github.com", "ghp_x", "x-access-token"),
        ("gitlab.com", "glpat-x", "oauth2"),
        ("bitbucket.org", "ATCT", "x-token-auth"),
        ("github.com", "ada:secret:with:colons", "ada"),
    ],
)
def test_each_server_gets_the_user_name_it_wants(
    host: str, token: str, user: str, settings: Settings
) -> None:
    settings.GIT_ALLOWED_HOSTS = [host]
    files = git.remote_for(f"https://{host}/a/b", token=Secret(token)).files
    assert files["git_user"] == f"{user}\n".encode()
    assert files["git_token"] == f"{token.removeprefix('ada:')}\n".encode()


def test_the_portals_own_token_goes_to_github_only(settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = ["github.com", "evil.test"]
    settings.GITHUB_TOKEN = "ghp_portal"
    assert git.remote_for("https://github.com/a/b").files["git_token"] == b"ghp_portal\n"
    assert git.remote_for("https://evil.test/a/b").files == {}
    own = git.remote_for("https://github.com/a/b", token=Secret("ghp_own"))
    assert own.files["git_token"] == b"ghp_own\n"


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_whatever_the_checks_let_through_is_one_word_of_the_script(ref: str) -> None:
    try:
        inputs.check_branch(ref)
    except ValidationError:
        return
    script = git.resolve_script(
        git.Remote(url="https://x/a/b", protocol="https", origin="https://x"), ref, root="/r"
    )
    assert f"refs/heads/{ref}" in script
