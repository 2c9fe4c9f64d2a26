"""What AWS answers when it does not do what was asked."""

import json

from deployments.diagnosis.base import Button, Case, Diagnosis, Rule, clipped, saying
from deployments.diagnosis.codes import AWS

ACTION = r"(?:not authorized to perform:|may not call) (?P<action>[\w-]+:\w+)"
REFUSED = (
    r"\b(?:UnauthorizedOperation|AccessDenied\w*)\b(?:\)? when calling the (?P<operation>\w+) operation)?"
)
RETRY = Button("Retry", "retry")


def _missing_action(case: Case) -> Diagnosis | None:
    named, refused = case.search(ACTION), case.search(REFUSED)
    match = named or refused
    if match is None and case.code != "aws_unauthorized":
        return None
    action = named["action"] if named else ""
    if not action and refused and refused["operation"]:
        action = f"ec2:{refused['operation']}"
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return Diagnosis(
        rule=2,
        title=f"The portal's AWS user may not do {action}" if action else "The portal's AWS user may not do this",
        meaning="Its keys are valid, but no policy of its user or role allows the action.",
        fix="Add this statement to its IAM policy, then retry." if action
        else "Add the action that the message names to its IAM policy, then retry.",
        evidence=clipped(match.string if match else case.first_line),
        button=RETRY,
        snippet=json.dumps(statement, indent=2) if action else "",
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    saying(
        1, AWS, r"ExpiredToken|RequestExpired",
        title="The AWS session has expired",
        meaning="The temporary credentials that the portal was started with are no longer valid.",
        fix="Give the portal fresh AWS credentials and restart it, then retry. If they are fresh, compare this machine's clock.",
        button=RETRY,
    ),
    saying(
        1, AWS, r"SignatureDoesNotMatch",
        title="The AWS secret key is wrong",
        meaning="AWS knows the access key, but what was signed with the secret key does not fit it.",
        fix="Copy AWS_SECRET_ACCESS_KEY again, whole and without spaces, restart the portal, then retry.",
        button=RETRY,
    ),
    saying(
        1, {"aws_credentials"}, r"InvalidClientTokenId|UnrecognizedClient|AuthFailure|InvalidAccessKeyId|NoCredentials|Unable to locate credentials",
        title="AWS does not know the access key",
        meaning="AWS_ACCESS_KEY_ID is wrong, was deleted or is inactive.",
        fix="Give the portal an active pair of keys (IAM, Users, Security credentials), restart it, then retry.",
        button=RETRY, places=("detail",), alone=True,
    ),
    Rule(2, frozenset(AWS), _missing_action),
    saying(
        3, AWS, r"InvalidAMIID\.\w+.*?(?P<ami>ami-[0-9a-f]+)?",
        title="The machine image is not one of this region",
        meaning="An AMI belongs to one region. The one that was given is not found in {region}.",
        fix="Leave the image of the instance empty, so that the region's own is found; or give an AMI of that region. Then retry.",
        button=RETRY,
    ),
    saying(
        3, {"aws_image_not_found"}, r"ami-[0-9a-f]+",
        title="The machine image is not one of this region",
        meaning="An AMI belongs to one region. The one that was given is not found in {region}.",
        fix="Leave the image of the instance empty, so that the region's own is found; or give an AMI of that region. Then retry.",
        button=RETRY, places=("detail",), alone=True,
    ),
    saying(
        4, AWS - {"aws_key_pair_mismatch"}, r"InvalidKeyPair\.NotFound|key pair '(?P<pair>[^']+)' does not exist",
        title="The key pair is not in this region",
        meaning="Key pairs belong to one region too, and {region} has none of that name.",
        fix="Leave the key pair to the portal, or choose one that the region has. Then retry.",
        button=RETRY,
    ),
    saying(
        4, {"aws_key_pair_mismatch", "aws_key_pair_not_found"}, r"fingerprint",
        title="The key pair in AWS is another one",
        meaning="AWS has a key pair of that name, made from another private key. A machine with it would not let the portal in.",
        fix="Choose another key pair, or delete that one in AWS so that the portal makes it anew. Then retry.",
        button=RETRY, places=("detail",), alone=True,
    ),
    saying(
        34, AWS, r"InsufficientInstanceCapacity|sufficient (?P<type>\w+\.\w+) capacity|InsufficientAddressCapacity",
        title="AWS has no such machine free",
        meaning="It is AWS that has none left in this zone at the moment, not your account.",
        fix="Choose another instance type or another zone's subnet, or retry later.",
        button=RETRY,
    ),
    saying(
        34, {"aws_no_capacity"}, r".",
        title="AWS cannot make such a machine there",
        meaning="The zone has none of this type free or does not offer it, or the subnet has no address left.",
        fix="Choose another instance type or another zone's subnet, or retry later.",
        button=RETRY, places=("detail",), alone=True,
    ),
    saying(
        34, AWS, r"VcpuLimitExceeded|vCPU limit of (?P<limit>\d+)|InstanceLimitExceeded|AddressLimitExceeded|VolumeLimitExceeded|MaxSpotInstanceCountExceeded",
        title="The AWS account's limit is reached",
        meaning="The account may not have more of these in this region.",
        fix="Terminate machines that are not needed or take a smaller type; or ask AWS for more: Service Quotas, Amazon EC2, \u201cRunning On-Demand instances\u201d. Then retry.",
        button=RETRY,
    ),
    saying(
        34, {"aws_quota"}, r".",
        title="The AWS account's limit is reached",
        meaning="The account may not have more of these in this region, or is not verified yet.",
        fix="Remove what is not needed, or ask AWS for more under Service Quotas; then retry.",
        button=RETRY, places=("detail",), alone=True,
    ),
)  # fmt: skip
