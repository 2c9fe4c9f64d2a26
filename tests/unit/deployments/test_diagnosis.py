"""Diagnosis: every rule finds its proof in what was really printed, and none finds one that is not there."""

import re

import pytest

from deployments.diagnosis import SHOWN, Diagnosis, diagnose
from deployments.diagnosis.rules import RULES
from deployments.pipeline.failures import CATALOGUE
from tests.unit.deployments.diagnosis_cases import DOCKER, FAILURES, SUCCESS_LOG, Failure

# A name that was not known leaves two spaces, or one before a full stop or comma.
HOLE = re.compile(r"  | [.,;](?:\s|$)|\s$")
SHIPPED = {*range(1, 24), 33, 34}


def explained(failure: Failure) -> list[Diagnosis]:
    return diagnose(failure.code, failure.detail, failure.evidence, failure.log, failure.facts)


def named(name: str) -> Diagnosis:
    return explained(next(failure for failure in FAILURES if failure.name == name))[0]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: f"{failure.rule} {failure.name}")
def test_a_failure_is_explained_first_by_its_own_rule_with_the_line_that_proves_it(failure: Failure) -> None:
    found = explained(failure)

    assert [found[0].rule, failure.proof in found[0].evidence] == [failure.rule, True], found
    assert found[0].title and found[0].meaning and found[0].fix
    assert len(found) <= SHOWN


def test_every_rule_has_a_failure_that_it_explains() -> None:
    assert {failure.rule for failure in FAILURES} == {rule.number for rule in RULES} == SHIPPED


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: f"{failure.rule} {failure.name}")
def test_no_sentence_is_left_with_a_hole(failure: Failure) -> None:
    for found in explained(failure):
        for text in (found.title, found.meaning, found.fix):
            assert not set("{}") & set(text)
            assert not HOLE.search(text)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_the_log_of_a_success_proves_nothing(code: str) -> None:
    evidence = {
        "container_log": SUCCESS_LOG,
        "exit_code": None,
        "listening": ["0.0.0.0:8000"],
        "paths": {"/": 200},
    }
    facts = DOCKER | {"health_path": "/", "instance_kind": "server"}

    proven = [
        d for d in diagnose(code, "", evidence, SUCCESS_LOG, facts) if d.evidence in SUCCESS_LOG.splitlines()
    ]

    assert proven == [] or code == "container_exited"


def test_nothing_is_diagnosed_where_nothing_failed() -> None:
    assert diagnose("", "", {}, "\n".join(failure.log for failure in FAILURES), {}) == []


@pytest.mark.parametrize(
    "code", ["build_failed", "command_failed", "unhealthy", "step_timeout", "internal_error"]
)
def test_a_vague_code_without_a_proof_is_left_to_its_own_words(code: str) -> None:
    assert diagnose(code, "It did not end well.", {}, SUCCESS_LOG, DOCKER) == []


def test_the_words_of_an_application_are_not_taken_for_those_of_aws() -> None:
    log = "botocore: An error occurred (AccessDenied) when calling the GetObject operation: Access Denied"

    assert [
        d.rule for d in diagnose("container_exited", "", {"exit_code": 1, "container_log": log}, "", {})
    ] == [15]


def test_loopback_is_named_with_what_it_must_be() -> None:
    assert "listens on 127.0.0.1:8000, must be 0.0.0.0:8000" in named("loopback").title


def test_a_process_that_listens_on_loopback_is_not_blamed() -> None:
    facts = {"runtime": "process", "container_port": 8000}

    assert diagnose("unhealthy", "No answer", {"listening": ["127.0.0.1:8000"]}, "", facts) == []


def test_the_wrong_port_is_offered_for_the_settings() -> None:
    button = named("other port").button

    assert button is not None
    assert (button.what, dict(button.arguments)) == ("set_port", {"container_port": 5000})


def test_loopback_on_the_wrong_port_is_told_both() -> None:
    found = diagnose("wrong_port", "", {"listening": ["127.0.0.1:5000"]}, "", DOCKER)[0]

    assert found.rule == 18
    assert "must be 0.0.0.0" in found.meaning


def test_the_missing_iam_action_is_written_out() -> None:
    assert '"Action": "ec2:RunInstances"' in named("named action").snippet
    assert '"Action": "ec2:CreateSecurityGroup"' in named("only the operation").snippet


def test_twice_the_memory_is_proposed() -> None:
    button = named("flag").button

    assert button is not None
    assert (button.label, button.arguments["memory_mb"]) == ("Raise the limit to 1024 MB", 1024)


def test_the_usual_branch_is_offered_instead() -> None:
    button = named("renamed").button

    assert button is not None
    assert button.arguments["branch"] == "main"


def test_the_path_that_answers_is_proposed() -> None:
    button = named("path").button

    assert button is not None
    assert button.arguments["health_path"] == "/docs"


def test_the_dockerfile_that_was_found_is_proposed() -> None:
    button = named("elsewhere").button

    assert button is not None
    assert button.arguments["dockerfile"] == "docker/Dockerfile"


def test_braces_and_percent_signs_in_what_was_printed_do_no_harm() -> None:
    log = "ModuleNotFoundError: No module named '{0.__class__} %s'"

    found = diagnose("container_exited", "", {"exit_code": 1, "container_log": log}, "", {})

    assert "{0.__class__} %s" in found[0].title


def test_odd_evidence_does_not_break_it() -> None:
    odd = {
        "listening": ["", "nonsense", "x:y"],
        "paths": {"/": None},
        "exit_code": "?",
        "container_log": None,
    }

    for code in CATALOGUE:
        diagnose(code, "", odd, "", {"container_port": None, "memory_mb": None})


def test_rules_speak_of_codes_that_exist() -> None:
    assert {code for rule in RULES for code in rule.codes} <= CATALOGUE.keys()


def test_a_git_server_out_of_reach_is_not_called_private() -> None:
    log = (
        "ssh: connect to host github.com port 22: Connection timed out\n"
        "fatal: Could not read from remote repository.\n"
    )

    assert diagnose("git_unreachable", "fatal: Could not read from remote repository.", {}, log, {}) == []


def test_a_level_of_the_log_is_not_a_variable() -> None:
    evidence = {"exit_code": 1, "container_log": "ERROR is missing"}

    assert "variable" not in diagnose("container_exited", "", evidence, "", {})[0].title
