"""Puts what AWS and botocore say into one exception with a code of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from instances.clouds.base import CloudError

# Ours → theirs. Those in AGAIN may go well a little later.
CODES = {
    "aws_throttled": (
        "RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException",
        "TooManyRequestsException", "EC2ThrottledException", "SlowDown", "BandwidthLimitExceeded",
    ),
    "aws_no_capacity": (
        "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientCapacity",
        "InsufficientFreeAddressesInSubnet",
        # The type does not exist in this zone.
        "Unsupported",
    ),
    "aws_quota": (
        "VcpuLimitExceeded", "InstanceLimitExceeded", "AddressLimitExceeded", "SecurityGroupLimitExceeded",
        "RulesPerSecurityGroupLimitExceeded", "VolumeLimitExceeded", "MaxIOPSLimitExceeded",
        "NetworkInterfaceLimitExceeded", "PendingVerification",
    ),
    "aws_image_not_found": (
        "InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "ParameterNotFound",
    ),
    "aws_key_pair_not_found": ("InvalidKeyPair.NotFound",),
    "aws_type_not_found": ("InvalidInstanceType", "InvalidInstanceType.NotFound"),
    "aws_unauthorized": ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"),
    "aws_credentials": (
        "InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "ExpiredToken", "RequestExpired",
        "ExpiredTokenException", "UnrecognizedClientException", "IncompleteSignature", "OptInRequired",
        "MissingAuthenticationToken", "Blocked",
    ),
    "aws_token_mismatch": ("IdempotentParameterMismatch",),
    "aws_wrong_state": ("IncorrectInstanceState", "IncorrectState"),
    "aws_in_use": ("DependencyViolation", "InvalidGroup.InUse", "InvalidIPAddress.InUse"),
    "aws_unreachable": (
        "InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable", "ServerInternal",
        "RequestTimeout",
    ),
}  # fmt: skip
AGAIN = {"aws_throttled", "aws_unreachable", "aws_wrong_state", "aws_in_use"}
_OURS = {theirs: ours for ours, all_of_theirs in CODES.items() for theirs in all_of_theirs}
SECRET_TAIL = "Encoded authorization failure message"  # noqa: S105


@contextmanager
def translated(action: str, region: str) -> Iterator[None]:
    """Raise CloudError for whatever an AWS call inside raises."""
    try:
        yield
    except ClientError as error:
        raise from_answer(error, action, region) from error
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound, NoRegionError) as error:
        raise CloudError("aws_credentials", str(error)) from error
    except BotoCoreError as error:
        raise CloudError("aws_unreachable", f"{action} in {region}: {error}", again=True) from error


def from_answer(error: ClientError, action: str, region: str) -> CloudError:
    """What an error answer means."""
    answer = error.response.get("Error", {})
    theirs, text = str(answer.get("Code", "")), str(answer.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = _code(theirs, text, status)
    # The tail is a long cipher, and naming the action is all that helps.
    text = text.partition(SECRET_TAIL)[0].strip()
    if code == "aws_unauthorized":
        text = f"These credentials may not call {service_of(action)}:{action}. {text}"
    return CloudError(code, f"{action} in {region}: {theirs}: {text}"[:1000], again=code in AGAIN)


def service_of(action: str) -> str:
    """The service that an action of ours belongs to, as policies write it."""
    return {"GetParameter": "ssm", "GetCallerIdentity": "sts"}.get(action, "ec2")


def _code(theirs: str, text: str, status: int) -> str:
    if theirs == "InvalidParameterValue" and "InstanceType" in text:
        return "aws_type_not_found"
    if theirs in _OURS:
        return _OURS[theirs]
    if theirs.endswith((".NotFound", "NotFoundException")) or theirs == "InvalidAllocationID.NotFound":
        return "aws_not_found"
    if status >= 500:
        return "aws_unreachable"
    return "aws_failed"
