"""EC2 as moto plays it and the fake keep the same promises; errors of AWS become ours."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from moto import mock_aws

from instances.clouds.base import CloudError, Machines
from instances.clouds.ec2 import EC2Machines
from instances.clouds.errors import translated
from instances.clouds.policy import actions, policy
from portal.core import aws
from tests.fakes_cloud import FakeMachines
from tests.integration.machines_contract import MachinesContract, Region

AMAZON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
UBUNTU = "/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id"


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    aws.forget_clients()
    with mock_aws():
        yield
    aws.forget_clients()


@pytest.fixture
def called(moto: None) -> Iterator[set[str]]:
    """Every action that is asked of AWS, as policies write it."""
    seen: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        seen.add(f"{model.service_model.service_name}:{model.name}")

    for service in ("ec2", "ssm", "sts"):
        aws.client(service, "us-east-1").meta.events.register("before-call.*.*", note)
    yield seen


class TestFake(MachinesContract):
    @pytest.fixture
    def region(self) -> Region:
        return Region(FakeMachines(), UBUNTU)

    def end_foreign(self, region: Region, id: str) -> None:
        assert isinstance(region.cloud, FakeMachines)
        region.cloud.set_state(id, "terminated")


class TestMoto(MachinesContract):
    @pytest.fixture
    def region(self, called: set[str]) -> Iterator[Region]:
        yield Region(EC2Machines("us-east-1"), AMAZON, knows_tokens=False)
        assert called <= actions()


def test_the_fake_has_the_methods_of_the_real_one() -> None:
    promised = {name for name in vars(Machines) if not name.startswith("_")}
    for name in promised:
        real = inspect.signature(getattr(EC2Machines, name))
        fake = inspect.signature(getattr(FakeMachines, name))
        assert list(real.parameters) == list(fake.parameters), name


def test_the_policy_holds_every_action_and_changes_nothing_without_our_tag(settings: Any) -> None:
    settings.INSTALLATION = "abc"
    statements = policy()["Statement"]
    assert {action for one in statements for action in one["Action"]} == actions()
    for one in statements:
        changing = {"ec2:TerminateInstances", "ec2:DeleteSecurityGroup", "ec2:DeleteKeyPair"} & set(
            one["Action"]
        )
        if changing:
            assert one["Condition"]["StringEquals"] == {"aws:ResourceTag/portal:installation": "abc"}
    assert "*" not in {action for one in statements for action in one["Action"]}


def test_what_the_policy_names_aws_knows(moto: None) -> None:
    known = {
        f"{service}:{name}"
        for service in ("ec2", "ssm", "sts")
        for name in aws.client(service, "us-east-1").meta.service_model.operation_names
    }
    assert actions() <= known


def test_validating_uses_only_what_the_policy_allows(called: set[str], settings: Any) -> None:
    settings.EC2_AMI_PARAMETER = AMAZON
    checks = {check.name: check for check in EC2Machines("us-east-1").validate()}
    assert all(check.ok for check in checks.values()), checks
    assert "123456789012" in checks["identity"].message
    assert "ec2:StartInstances" in checks
    assert called <= actions()


def test_a_missing_permission_is_named(moto: None, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = EC2Machines("us-east-1")
    real = machines.api.call

    def call(action: str, **parameters: Any) -> dict[str, Any]:
        if action == "StartInstances":
            with translated(action, "us-east-1"):
                raise _answer("UnauthorizedOperation", "You are not authorized. " + CIPHER)
        return real(action, **parameters)

    monkeypatch.setattr(machines.api, "call", call)
    wrong = [check for check in machines.validate() if check.name == "ec2:StartInstances"]
    assert not wrong[0].ok
    assert "ec2:StartInstances" in wrong[0].message
    assert "Encoded" not in wrong[0].message


CIPHER = "Encoded authorization failure message: AAAAA"


def _answer(code: str, message: str = "", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RunInstances")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "code", "again"),
    [
        (_answer("RequestLimitExceeded", status=503), "aws_throttled", True),
        (_answer("ThrottlingException"), "aws_throttled", True),
        (_answer("InsufficientInstanceCapacity", status=500), "aws_no_capacity", False),
        (_answer("Unsupported"), "aws_no_capacity", False),
        (_answer("VcpuLimitExceeded"), "aws_quota", False),
        (_answer("InvalidAMIID.NotFound"), "aws_image_not_found", False),
        (_answer("InvalidAMIID.Malformed"), "aws_image_not_found", False),
        (_answer("InvalidKeyPair.NotFound"), "aws_key_pair_not_found", False),
        (
            _answer("InvalidParameterValue", "Invalid value 'x9' for InstanceType."),
            "aws_type_not_found",
            False,
        ),
        (_answer("UnauthorizedOperation", status=403), "aws_unauthorized", False),
        (_answer("InvalidClientTokenId", status=403), "aws_credentials", False),
        (_answer("SignatureDoesNotMatch", status=403), "aws_credentials", False),
        (_answer("InvalidInstanceID.NotFound"), "aws_not_found", False),
        (_answer("IdempotentParameterMismatch"), "aws_token_mismatch", False),
        (_answer("DependencyViolation"), "aws_in_use", True),
        (_answer("InternalError", status=500), "aws_unreachable", True),
        (_answer("Whatever", status=502), "aws_unreachable", True),
        (_answer("Whatever"), "aws_failed", False),
        (NoCredentialsError(), "aws_credentials", False),
        (EndpointConnectionError(endpoint_url="https://ec2"), "aws_unreachable", True),
        (ReadTimeoutError(endpoint_url="https://ec2"), "aws_unreachable", True),
    ],
)
def test_errors_of_aws_become_ours(error: Exception, code: str, again: bool) -> None:
    with pytest.raises(CloudError) as caught, translated("RunInstances", "us-east-1"):
        raise error
    assert (caught.value.code, caught.value.again) == (code, again)


def test_a_client_is_made_once_per_service_and_region(moto: None) -> None:
    assert aws.client("ec2", "us-east-1") is aws.client("ec2", "us-east-1")
    assert aws.client("ec2", "us-east-1") is not aws.client("ec2", "eu-west-1")
    assert aws.client("ec2").meta.config.read_timeout < 30
