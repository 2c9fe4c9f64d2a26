"""URLs of repositories: every accepted and refused form, the list of servers, and one spelling for all."""

from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from deployments import inputs
from deployments.inputs import allowed_hosts

ACCEPTED = {
    "https://github.com/owner/repo": "https://github.com/owner/repo",
    "https://github.com/owner/repo.git": "https://github.com/owner/repo",
    "https://github.com/owner/repo/": "https://github.com/owner/repo",
    "https://github.com/owner/repo.git/": "https://github.com/owner/repo",
    "https://www.github.com/owner/repo": "https://github.com/owner/repo",
    "https://GitHub.com/Owner/Repo": "https://github.com/owner/repo",
    "https://github.com:443/owner/repo": "https://github.com/owner/repo",
    "git@github.com:owner/repo.git": "https://github.com/owner/repo",
    "git@github.com:owner/repo": "https://github.com/owner/repo",
    "ssh://git@github.com/owner/repo.git": "https://github.com/owner/repo",
    "ssh://git@github.com:22/owner/repo": "https://github.com/owner/repo",
    "https://github.com/o-w_n3r/re.po_x-y": "https://github.com/o-w_n3r/re.po_x-y",
    "https://github.com/owner/.github": "https://github.com/owner/.github",
    "https://github.com/owner/repo~1": "https://github.com/owner/repo~1",
    "https://github.com/1234/5678": "https://github.com/1234/5678",
    "git@github.com:1234/repo": "https://github.com/1234/repo",
    "https://github.com/owner/" + "r" * 487: "https://github.com/owner/" + "r" * 487,
    "https://gitlab.com/group/project": "https://gitlab.com/group/project",
    "https://gitlab.com/group/sub/project.git": "https://gitlab.com/group/sub/project",
    "git@gitlab.com:a/b/c/d.git": "https://gitlab.com/a/b/c/d",
    "https://bitbucket.org/team/repo": "https://bitbucket.org/team/repo",
    "git@bitbucket.org:team/repo.git": "https://bitbucket.org/team/repo",
}
REFUSED = {
    "scheme": [
        "github.com/owner/repo", "owner/repo", "git://github.com/owner/repo", "ftp://github.com/owner/repo",
        "ext::sh", "HTTPS://github.com/owner/repo", "javascript:alert", "data:text/plain,x", "file:///etc/passwd",
        "file://localhost/etc", "FILE:///etc", "file:/etc/passwd", "fd::17/foo", "--upload-pack=id", "-u", "/etc/passwd",
        "./repo", "../repo", "git+ssh://git@github.com/a/b", "https:/github.com/a/b", "https:github.com/a/b",
        "ext::git@github.com:a/b", "rsync://github.com/a/b", "host::https://github.com/a/b", "a:b",
    ],
    "credentials": [
        "https://token@github.com/owner/repo", "https://user:pass@github.com/owner/repo",
        "https://@github.com/owner/repo", "https://github.com@evil.test/owner/repo",
        "https://evil.test@github.com/owner/repo",
    ],
    "user": [
        "ssh://github.com/owner/repo", "ssh://root@github.com/owner/repo", "root@github.com:owner/repo",
        "ssh://git:pw@github.com/owner/repo", "@github.com:owner/repo", "-oProxyCommand=id@github.com:a/b",
    ],
    "host": [
        "https://evil.test/owner/repo", "https://github.com.evil.test/owner/repo", "https://evilgithub.com/o/r",
        "http://github.com/owner/repo", "https://127.0.0.1/owner/repo", "https://localhost/owner/repo",
        "https://2130706433/o/r", "https://0x7f000001/o/r", "https://0177.0.0.1/o/r", "https://127.1/o/r",
        "https://[::1]/o/r", "https://[::ffff:127.0.0.1]/o/r", "https://169.254.169.254/latest/meta-data",
        "https://metadata.google.internal/a/b", "https://github.com./owner/repo", "https://github..com/a/b",
        "https://-github.com/a/b", "ssh://git@-oProxyCommand=id/a/b", "git@-host:a/b", "https://gist.github.com/o/r",
        "https://xn--gthub-n2a.com/o/r", "https:///owner/repo", "https://github.com:8443/owner/repo",
        "ssh://git@github.com:2222/owner/repo", "https://github_com/o/r", "git@evil.test:o/r", "https://www./a/b",
        "https://10.0.0.5:3000/a/b", "https://[0:0:0:0:0:0:0:1]/a/b", "https://0/a/b", "https://[fe80::1]/a/b",
    ],
    "port": [
        "https://github.com:/owner/repo", "https://github.com:0443/o/r", "https://github.com:99999/o/r",
        "https://github.com:443x/o/r", "https://github.com:-1/o/r", "git@gitlab.com:22/group/repo",
    ],
    "path": [
        "https://github.com", "https://github.com/", "https://github.com/owner", "https://github.com/owner/",
        "https://github.com//owner/repo", "https://github.com/owner//repo", "https://github.com/owner/repo//",
        "https://github.com/owner/../repo", "https://github.com/./owner/repo", "https://github.com/owner/.git",
        "https://github.com/owner/repo?x=1", "https://github.com/owner/repo#main", "https://github.com/owner/re%70o",
        "https://github.com/-owner/repo", "https://github.com/owner/-repo", "https://github.com/owner/re..po",
        "https://github.com/owner/repo;id", "https://github.com/owner/$(id)", "https://github.com/owner/`id`",
        "https://github.com/owner/repo|id", "https://github.com/owner/re'po", 'https://github.com/owner/re"po',
        "https://github.com/owner\\repo/x", "https://github.com/owner/{a,b}", "https://github.com/ow.ner/repo",
        "https://github.com/owner/repo@v1", "git@github.com:/owner/repo", "git@github.com:repo", "git@github.com:",
        "git@github.com:owner/../repo", "https://github.com/owner/repo:x", "https://github.com/..", "https://github.com/a/..",
        "https://github.com/~/..", "https://github.com/<script>/x", "https://github.com/owner/repo*",
    ],
    "sub_path": [
        "https://github.com/owner/repo/tree/main", "https://github.com/owner/repo/blob/main/Dockerfile",
        "https://github.com/owner/repo/pull/12", "https://github.com/owner/repo/sub", "git@github.com:o/r/x",
        "https://gitlab.com/group/project/-/tree/main", "https://gitlab.com/g/s/project/-/blob/main/x",
        "https://bitbucket.org/team/repo/src/main", "https://gitlab.com/group/project/tree/main",
    ],
    "space": ["https://github.com/owner/re po", " https://github.com/owner/repo", "ext::sh -c id"],
    "invisible": [
        "https://github.com/owner/repo\n", "\thttps://github.com/owner/repo", "https://github.com/ow\0ner/repo",
        "https://github.com/owner/repo\u200b", "https://git\u00adhub.com/a/b", "https://github.com/a/b\r\nx",
        "https://github.com/\u202eowner/repo", "https://github.com/owner/repo\u3000",
    ],
    "look_alike": ["https://gіthub.com/owner/repo", "https://github。com/a/b", "https://github.com/öwner/repo",
                   "https://github.com／owner/repo", "https://①②⑦.0.0.1/a/b"],
    "too_long": ["https://github.com/owner/" + "r" * 488],
    "required": [""],
}  # fmt: skip


@pytest.fixture(autouse=True)
def usual_servers(settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = ["github.com", "gitlab.com", "bitbucket.org"]


def refusal_of(url: str) -> ValidationError:
    with pytest.raises(ValidationError) as refusal:
        inputs.check_git_url(url)
    return refusal.value


@pytest.mark.parametrize(("url", "canonical"), ACCEPTED.items())
def test_every_usual_form_is_accepted_and_has_one_spelling(url: str, canonical: str) -> None:
    inputs.check_git_url(url)
    assert inputs.normalise_git_url(url) == canonical
    inputs.check_git_url(canonical)
    assert inputs.normalise_git_url(canonical) == canonical


@pytest.mark.parametrize(("code", "url"), [(code, url) for code, urls in REFUSED.items() for url in urls])
def test_everything_else_is_refused_for_its_own_reason(code: str, url: str) -> None:
    refusal = refusal_of(url)
    assert refusal.code == code
    assert refusal.messages[0].endswith(".") or "https://" in refusal.messages[0]


def test_the_refusal_of_a_page_names_the_repository() -> None:
    assert (
        "https://github.com/owner/repo," in refusal_of("https://github.com/owner/repo/tree/main").messages[0]
    )
    assert "https://gitlab.com/g/s/p," in refusal_of("https://gitlab.com/g/s/p/-/tree/main").messages[0]


@given(st.text(alphabet=st.sampled_from("abgithub.com/:@%?#-~_[]\\ \n;$"), max_size=60))
def test_what_is_accepted_has_no_second_reading(tail: str) -> None:
    url = f"https://github.com/{tail}"
    try:
        inputs.check_git_url(url)
    except ValidationError:
        return
    canonical = inputs.normalise_git_url(url)
    assert canonical.startswith("https://github.com/")
    assert canonical.removeprefix("https://github.com/").count("/") == 1
    assert inputs.normalise_git_url(canonical) == canonical


@given(st.text(max_size=80))
def test_a_suggested_name_is_always_valid(url: str) -> None:
    inputs.check_app_name(inputs.suggest_app_name(url))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/acme/Churn_API.git", "churn-api"),
        ("git@github.com:acme/model.serving", "model-serving"),
        ("https://github.com/acme/admin", "admin-app"),
        ("https://github.com/acme/2048/", "app-2048"),
    ],
)
def test_the_suggested_name_is_that_of_the_repository(url: str, name: str) -> None:
    assert inputs.suggest_app_name(url) == name


PRIVATE = "http://10.0.0.5:3000"


@pytest.mark.parametrize("url", [f"{PRIVATE}/a/b", f"{PRIVATE}/a/b.git", f"{PRIVATE}/group/sub/repo/"])
def test_an_entry_with_scheme_and_port_admits_that_server(url: str, settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = [PRIVATE]
    inputs.check_git_url(url)
    assert inputs.normalise_git_url(url).startswith(f"{PRIVATE}/")


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5:3000/a/b", "http://10.0.0.5/a/b", "http://10.0.0.5:3001/a/b", "http://10.0.0.6:3000/a/b",
        "ssh://git@10.0.0.5:3000/a/b", "git@10.0.0.5:a/b", "http://0x0a000005:3000/a/b", "http://167772165:3000/a/b",
        "http://10.0.0.05:3000/a/b", "http://10.5:3000/a/b", "http://u:p@10.0.0.5:3000/a/b", "https://github.com/a/b",
        "http://[::ffff:10.0.0.5]:3000/a/b", "https://10.0.0.5/a/b", "http://10.0.0.5:3000/a",
    ],
)  # fmt: skip
def test_and_nothing_else(url: str, settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = [PRIVATE]
    refusal_of(url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("git.corp", "https://git.corp/team/repo"),
        ("git.corp", "git@git.corp:team/repo"),
        ("gitea", "https://gitea/team/repo"),
        ("10.0.0.5", "https://10.0.0.5/team/repo"),
        ("https://git.corp:8443", "https://git.corp:8443/team/repo"),
        ("ssh://git.corp:2222", "ssh://git@git.corp:2222/team/repo"),
        ("http://[fd00::5]:3000", "http://[fd00::5]:3000/team/repo"),
        (" GitHub.com ", "https://www.github.com/team/repo"),
        ("https://git.corp:8443/", "https://git.corp:8443/team/repo"),
        ("git.corp", "https://git.corp/~user/repo"),
    ],
)
def test_entries_of_all_kinds_admit_their_server(entry: str, url: str, settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = [entry]
    inputs.check_git_url(url)
    inputs.check_git_url(inputs.normalise_git_url(url))


def test_entries_that_mean_nothing_are_named_for_the_doctor(settings: Settings) -> None:
    settings.GIT_ALLOWED_HOSTS = [
        "github.com",
        "git.corp:8443",
        "ftp://x",
        "*.corp",
        "",
        "a b",
        "*",
        "0x7f.1",
    ]
    assert allowed_hosts.unreadable() == ["git.corp:8443", "ftp://x", "*.corp", "", "a b", "0x7f.1"]


def answers(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", (address, 0)) for address in found]
    )


@pytest.mark.parametrize(
    "url", ["https://git.example.com/a/b", "git@codeberg.org:a/b", "https://sr.ht.example/~u/r"]
)
def test_the_star_admits_any_public_host(
    url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["*"]
    answers(monkeypatch, "140.82.112.3", "2606:50c0:8000::154")
    inputs.check_git_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/a/b", "https://a.localhost/a/b", "https://127.0.0.1/a/b", "https://8.8.8.8/a/b",
        "https://gitea/a/b", "https://git.internal/a/b", "https://metadata.google.internal/a/b", "https://x.local/a/b",
        "https://127.0.0.1.nip.io/a/b", "https://xn--gthub-n2a.com/a/b", "http://git.example.com/a/b",
        "https://git.example.com:8443/a/b", "https://[2606:50c0::1]/a/b", "https://2130706433/a/b",
    ],
)  # fmt: skip
def test_but_no_address_no_private_name_and_no_other_port(
    url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["*"]
    answers(monkeypatch, "140.82.112.3")
    assert refusal_of(url).code == "host"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
        "::10.0.0.1", "fd00::1", "224.0.0.1", "0.0.0.0", "100.64.0.1", "fe80::1", "::ffff:8.8.8.8",
    ],
)  # fmt: skip
def test_nor_a_public_name_with_an_inner_address_among_others(
    address: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["*"]
    answers(monkeypatch, "140.82.112.3", address)
    assert refusal_of("https://rebind.example.com/a/b").code == "host"


def test_examples_of_our_checkout_are_the_only_files(settings: Settings, tmp_path: Path) -> None:
    examples = tmp_path / "my portal" / "examples"
    (examples / "iris" / "inner").mkdir(parents=True)
    (examples / "link").symlink_to("/etc")
    (examples / "file").write_text("x")
    settings.EXAMPLES_DIR = examples
    for url in (f"file://{examples}/iris", f"file://{examples}/iris/", (examples / "iris").as_uri()):
        inputs.check_git_url(url)
        assert inputs.is_example_url(url)
        assert inputs.is_local_only(url)
        assert inputs.normalise_git_url(url) == f"file://{examples}/iris"
    for tail in (
        "",
        "/",
        "/..",
        "/../examples/iris",
        "/iris/inner",
        "/none",
        "/link",
        "/file",
        "/iris//",
        "/iris\n",
    ):
        refusal_of(f"file://{examples}{tail}")
    assert not inputs.is_local_only("https://github.com/a/b")
