"""What may stand in host names, prefixes, commands, build arguments and sign-ins."""

import pytest
from django.core.exceptions import ValidationError

from deployments import inputs


def test_host_names_are_lower_cased_and_stand_once() -> None:
    assert inputs.parse_hostnames(["Churn.Example.ORG", "churn.example.org", "api.example.org"]) == [
        "churn.example.org", "api.example.org",
    ]  # fmt: skip


def test_a_name_of_another_alphabet_is_stored_as_the_dns_knows_it() -> None:
    assert inputs.parse_hostname("bücher.example") == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "name",
    [
        "*.example.org", "10.0.0.1", "::1", "[::1]", "0x7f.1", "example", "-a.example.org", "a-.example.org",
        "a..example.org", "a.example.org.", "a.example.org;", "a.example.org\n", "a b.example.org", "a_b.example.org",
        "https://a.example.org", "a.example.org/x", "a.example.org:80", "", "x" * 64 + ".org", ".".join(["abc"] * 70),
        "a.example.org\u200b;", None, 7,
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        inputs.parse_hostname(name)


@pytest.mark.parametrize("value", ["a.example.org", {"a": 1}, None, [f"n{i}.example.org" for i in range(6)]])
def test_host_names_are_a_short_list(value: object) -> None:
    with pytest.raises(ValidationError):
        inputs.parse_hostnames(value)


@pytest.mark.parametrize(
    "prefix", ["/.portal", "/.well-known", "/.well-known/acme", "/.PORTAL", "churn", "/a/", "/a//b"]
)
def test_prefixes_of_the_proxy_itself_are_refused(prefix: str) -> None:
    with pytest.raises(ValidationError):
        inputs.check_path_prefix(prefix)


def test_a_prefix_may_only_look_like_a_reserved_one() -> None:
    inputs.check_path_prefix("/.portals")
    inputs.check_path_prefix("/v1/churn")


def test_hooks_are_one_line_each_and_empty_ones_are_left_out() -> None:
    given = {"post_deploy": "echo 'ü' && true", "pre_build": "", "pre_deploy": "  "}
    assert inputs.parse_hooks(given) == {"post_deploy": "echo 'ü' && true"}


@pytest.mark.parametrize(
    "hooks", [[], "x", {"before": "x"}, {"pre_build": 7}, {"pre_build": "a\nb"}, {"pre_build": "x" * 501}, {"pre_build": "a\u2028b"}]
)  # fmt: skip
def test_other_hooks_are_refused(hooks: object) -> None:
    with pytest.raises(ValidationError):
        inputs.parse_hooks(hooks)


def test_build_arguments_keep_their_values_byte_for_byte() -> None:
    given = {"PYTHON_VERSION": "3.11", "_x": " a\n\"'$b ü ", "EMPTY": ""}
    assert inputs.parse_build_args(given) == given


@pytest.mark.parametrize(
    "arguments", [[], {"1A": "x"}, {"A-B": "x"}, {"A": 7}, {"A": "a\0b"}, {"A": "x" * 4097}, {"A=B": "x"}, {f"A{i}": "" for i in range(51)}]
)  # fmt: skip
def test_other_build_arguments_are_refused(arguments: object) -> None:
    with pytest.raises(ValidationError):
        inputs.parse_build_args(arguments)


def test_a_sign_in_is_user_and_password() -> None:
    assert inputs.parse_basic_auth("ada:with:colons and spaces") == "ada:with:colons and spaces"
    assert inputs.parse_basic_auth("") == ""


@pytest.mark.parametrize(
    "value", ["ada", ":longenough", "a b:longenough", "ada:short", "ada:" + "x" * 201, "ada:pass\nword", None]
)
def test_another_sign_in_is_refused_without_repeating_it(value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        inputs.parse_basic_auth(value)
    assert (
        not isinstance(value, str)
        or value.partition(":")[2] == ""
        or value.partition(":")[2] not in str(refusal.value)
    )


@pytest.mark.parametrize(
    ("port", "fine"),
    [(80, True), ("80", True), (443, False), (22, False), (1023, False), (1024, True), (True, False)],
)
def test_a_public_port_is_80_or_one_that_belongs_to_nobody(port: object, fine: bool) -> None:
    if fine:
        assert inputs.parse_host_port(port) == int(str(port))
    else:
        with pytest.raises(ValidationError):
            inputs.parse_host_port(port)
