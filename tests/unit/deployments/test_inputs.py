"""Names, refs, paths, ports and values: what is accepted, and what is refused with a code and a way out."""

import re
import string
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from deployments import inputs
from deployments.inputs.names import RESERVED_APP_NAMES
from deployments.pipeline.git.remote import PINNED_HOST_KEYS

Check = Callable[[str], None]
TEXT_CHECKS: list[Check] = [
    inputs.check_app_name,
    inputs.check_branch,
    inputs.check_dockerfile_path,
    inputs.check_environment_name,
    inputs.check_git_url,
    inputs.check_health_path,
    inputs.check_ssh_host,
    inputs.check_variable_name,
]
GOOD: dict[Check, list[str]] = {
    inputs.check_app_name: ["abc", "churn-api", "a1b", "model2", "a" * 40, "api-server", "my-app-2"],
    inputs.check_branch: [
        "main", "develop", "feature/new-model", "release-1.2", "v1.0.0", "user@host", "fix#12", "a+b",
        "1.x", "dependabot/pip/django-5.2", "feature/JIRA-123_x", "0" * 40, "a" * 200, "origin/main", "HEADER",
        "renovate/node-20.x", "ABCDEF0123456789abcdef0123456789abcdef01", "x.lock.d", "refsheet",
    ],
    inputs.check_dockerfile_path: [
        "Dockerfile", "docker/Dockerfile", "Dockerfile.prod", "a/b/c/Dockerfile", "services/api_v2/Dockerfile-gpu",
        ".devcontainer/Dockerfile", "build/prod.dockerfile", "d" * 255, "..a/Dockerfile",
    ],
    inputs.check_environment_name: ["dev", "stage", "prod", "qa", "e", "demo-2", "a" * 40],
    inputs.check_health_path: [
        "/", "/health", "/healthz", "/api/v1/health", "/health?full=1&x=y", "/.well-known/ready", "/a~b", "/health/",
        "/" + "a" * 255, "/a-b_c.d",
    ],
    inputs.check_variable_name: ["MODEL_URL", "a", "_x", "path", "LDAP_URL", "DOCKER", "PORTS", "A" * 128, "Env", "PORT"],
    inputs.check_variable_value: [
        "", " leading and trailing ", "line\nline\r\n", "tab\t", "ümläut 日本 🎉", "'\"`$(id)\\", "a=b", "x" * 32768,
        "\x1b[31m", "\u200b", "-----BEGIN KEY-----\nabc\n", "%00", "\x01",
    ],
}  # fmt: skip
BAD: dict[Check, list[str]] = {
    inputs.check_app_name: [
        "", "a", "ab", "a" * 41, "Abc", "1abc", "-abc", "abc-", "a--b", "a_b", "a.b", "a b", "a/b", "../etc", "abc\n",
        "abc;id", "<script>", "{{7*7}}", "${x}", "аbc", "abc\u200b", "ａｂｃ", "xn--abc", "a\0b", "ABC", "%61bc",
        "admin", "api", "static", "www", "portal", "localhost", "media", "login",
    ],
    inputs.check_branch: [
        "", "-x", "--upload-pack=touch x", "+main", "main:evil", "refs/heads/main", "heads/main", "tags/v1", "HEAD",
        "FETCH_HEAD", "ORIG_HEAD", "a..b", "a//b", "/a", "a/", "a.", ".a", "a/.b", "a.lock", "a.lock/b", "main^",
        "main~1", "@", "@{-1}", "main@{1}", "a b", "a\tb", "main\n", "a;id", "$(id)", "`id`", "a|b", "a&b", "a>b",
        "a\\b", "a*", "a?", "a[b]", "a" * 201, "a\u200bb", "mаin", "a\0b", "a\u202eb", "remotes/origin/main",
        "a%0ab", "a'b", 'a"b', "{a,b}", "!main", "refs", ":/fix", "main^{tree}", "é",
    ],
    inputs.check_dockerfile_path: [
        "", "/Dockerfile", "../Dockerfile", "a/../Dockerfile", "./Dockerfile", "a/./b", "a//b", "a/", "-f", "a/-x",
        "--help", "~/Dockerfile", "a b", "Dockerfile\n", "a;id", "$(id)", "a\\b", "C:\\x", "http://x/y", "a\0b",
        ".git/config", "a/.GIT/x", "Dоckerfile", "d" * 256, ".", "..", "%2e%2e/x", "a*", "Dockerfile\u200b", "...",
    ],
    inputs.check_environment_name: [
        "", "Dev", "1dev", "-dev", "dev-", "d--v", "d_v", "a" * 41, "dev\n", "dev ", "../dev", "dév", "<b>", "d.v",
    ],
    inputs.check_health_path: [
        "", "health", "//evil.test", "/a//b", "/../x", "/a..b", "/a b", "/a\n", "/a\r\nHost: x", "/a;b", "/a#b",
        "/a%2e", "http://x/", "/a\\b", "/{x}", "/$(id)", "/a'b", '/a"b', "/a:b", "/@x", "/a\0", "/é", "/" + "a" * 256,
        "/a\u200b", "/<b>", "/a,b", "/a|b", "/`id`",
    ],
    inputs.check_variable_name: [
        "", "1A", "A-B", "A B", "A=B", "A\n", "A\0", "A.B", "é", "Ａ", "A" * 129, "A;id", "$A", "PATH", "IFS", "ENV",
        "BASH_ENV", "SHELLOPTS", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_", "DOCKER_HOST", "А",
    ],
    inputs.check_variable_value: ["a\0b", "x" * 32769, "ü" * 16385, "\ud800"],
}  # fmt: skip


@pytest.mark.parametrize(("check", "value"), [(check, value) for check in GOOD for value in GOOD[check]])
def test_what_people_really_write_is_accepted(check: Check, value: str) -> None:
    check(value)


@pytest.mark.parametrize(("check", "value"), [(check, value) for check in BAD for value in BAD[check]])
def test_what_could_do_harm_is_refused_with_a_code_and_a_sentence(check: Check, value: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        check(value)
    assert refusal.value.code
    assert len(refusal.value.messages[0]) > 20
    assert all(character.isprintable() for character in refusal.value.messages[0])


@pytest.mark.parametrize("check", [*TEXT_CHECKS, inputs.check_variable_value])
@pytest.mark.parametrize("value", [None, True, 1, 1.5, [], ["main"], {}, b"main"])
def test_only_text_is_text(check: Check, value: object) -> None:
    with pytest.raises(ValidationError):
        check(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("check", TEXT_CHECKS)
@given(value=st.text())
def test_any_text_is_either_accepted_or_refused(check: Check, value: str) -> None:
    try:
        check(value)
    except ValidationError as error:
        assert error.code
        return
    assert value.isascii()
    assert not set(value) & set(string.whitespace + "\0$`;|&<>(){}*!'\"\\")


@pytest.mark.parametrize("check", TEXT_CHECKS)
@pytest.mark.parametrize("tail", ["\n", "\r", " ", "\0", "\u200b", "\u2028", "\x85"])
def test_nothing_may_hang_on_to_a_good_value(check: Check, tail: str) -> None:
    good = {inputs.check_git_url: "https://github.com/a/b", inputs.check_ssh_host: "db1.example.com"}
    value = good.get(check) or GOOD[check][0]
    for disguised in (value + tail, tail + value):
        with pytest.raises(ValidationError):
            check(disguised)


@given(st.from_regex(r"[a-z][a-z0-9-]{1,38}[a-z0-9]", fullmatch=True))
def test_a_name_by_the_rule_is_accepted_unless_it_is_reserved(name: str) -> None:
    if "--" in name or name in RESERVED_APP_NAMES:
        with pytest.raises(ValidationError):
            inputs.check_app_name(name)
    else:
        inputs.check_app_name(name)


@pytest.mark.parametrize(("value", "port"), [(1, 1), (8000, 8000), (65535, 65535), ("8000", 8000), ("1", 1)])
def test_an_integer_or_its_digits_is_a_port(value: object, port: int) -> None:
    assert inputs.parse_port(value) == port


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 65536, 10**400, True, False, None, 8000.0, 8e3, float("nan"), "0", "-1", "65536", "99999999999", "",
        "+8000", " 8000", "8000 ", "8000\n", "8_000", "08000", "0x1f40", "8e3", "8000.0", "٨٠٠٠", "８０００", "²",
        "8000/tcp", "8000:80", "127.0.0.1:8000", "8000-8010", [8000], {"port": 8000}, b"8000", "9" * 5000, "8\0000",
    ],
)  # fmt: skip
def test_nothing_else_is_a_port(value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        inputs.parse_port(value)
    assert refusal.value.code in ("port", "port_range")


def test_public_ports_below_1024_belong_to_the_machine() -> None:
    assert inputs.parse_container_port(80) == 80
    assert inputs.parse_host_port(1024) == 1024
    with pytest.raises(ValidationError):
        inputs.parse_host_port(1023)


SERVERS = [
    "db1", "db1.example.com", "DB1.Example.com", "10.0.0.5", "192.168.1.20", "172.16.3.4", "203.0.113.9", "100.64.0.7",
    "2001:db8::1", "fd12:3456::7", "ip-10-0-0-5.ec2.internal", "a-b.c", "8.8.8.8", "server-1.local",
]  # fmt: skip
NO_SERVERS = [
    "", "localhost", "LOCALHOST", "a.localhost", "localhost.localdomain", "127.0.0.1", "127.1", "127.0.0.53", "0.0.0.0",
    "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "010.0.0.5", "::1", "[::1]", "::",
    "::ffff:127.0.0.1", "::ffff:10.0.0.5", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254",
    "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "metadata.google.internal", "metadata", "127.0.0.1.nip.io", "localtest.me", "-oProxyCommand=id", "-l",
    "user@host", "host:22", "host name", "host\n", "host;id", "$(id)", "http://host", "host/path", "a..b", ".a", "a.",
    "a_b", "hоst", "host\u200b", "a" * 254, "a" * 64 + ".com", "10.0.0.256", "1.2.3", "10.0.0.5/24", "a-.com", "-a.com",
    "0.1.2.3", "ff02::1", "10.0.0.5:22",
]  # fmt: skip


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no resolver in tests")

    monkeypatch.setattr("socket.getaddrinfo", fail)


@pytest.mark.parametrize("value", SERVERS)
def test_a_server_is_a_name_or_an_address(value: str, no_names: None) -> None:
    inputs.check_ssh_host(value)


@pytest.mark.parametrize("value", NO_SERVERS)
def test_disguises_of_this_machine_and_its_metadata_are_no_servers(value: str, no_names: None) -> None:
    with pytest.raises(ValidationError) as refusal:
        inputs.check_ssh_host(value)
    assert refusal.value.code == "ssh_host"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_means_this_machine_is_no_server(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", (address, 0))])
    with pytest.raises(ValidationError):
        inputs.check_ssh_host("innocent.example.com")


def test_the_pinned_keys_are_the_published_ones() -> None:
    import base64
    import hashlib

    published = {
        "github.com": "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "gitlab.com": "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "bitbucket.org": "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
    }
    for host, line in PINNED_HOST_KEYS.items():
        digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
        assert base64.b64encode(digest).decode().rstrip("=") == published[host]


def test_every_reserved_name_would_be_valid_otherwise() -> None:
    assert all(re.fullmatch(r"[a-z0-9]{2,40}", name) for name in RESERVED_APP_NAMES)
