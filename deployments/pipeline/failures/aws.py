"""What goes wrong between the portal and AWS."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
    "aws_credentials": Explanation(
        "AWS does not know these keys",
        "The access key or the secret key in the portal's settings is wrong, inactive or expired.",
        "Put a valid pair into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, restart the portal, then retry.",
    ),
    "aws_unauthorized": Explanation(
        "AWS did not allow it",
        "The portal's AWS keys are valid, but their user or role may not do this.",
        "Add the action that the message names to its IAM policy, then retry.",
    ),
    "aws_image_not_found": Explanation(
        "The machine image does not exist here",
        "An AMI belongs to one region; this id is not one of the region chosen.",
        "Leave the image empty to get the region's own, or give an AMI of that region; then retry.",
    ),
    "aws_key_pair_not_found": Explanation(
        "The key pair is not in this region",
        "AWS has no key pair of that name in the region chosen.",
        "Leave the key pair to the portal, or choose one that the region has; then retry.",
    ),
    "aws_key_pair_mismatch": Explanation(
        "The key pair in AWS is another one",
        "AWS has a key pair of that name, but it does not belong to the private key that the portal holds.",
        "Choose another key pair, or delete that one in AWS so that the portal makes it anew; then retry.",
    ),
    "aws_no_capacity": Explanation(
        "AWS has no such machine free",
        "AWS has no capacity left for this type of machine in this zone.",
        "Choose another instance type, subnet or region, or retry later.",
    ),
    "aws_quota": Explanation(
        "The AWS account's limit is reached",
        "The account may not have more machines, processors or addresses of this kind in this region.",
        "Terminate machines that are not needed, choose a smaller type, or ask AWS to raise the quota; then retry.",
    ),
    "aws_throttled": Explanation(
        "AWS asked to slow down",
        "There were too many requests to AWS for the account, and waiting did not help.",
        "Retry in a few minutes.",
    ),
    "aws_unreachable": Explanation(
        "AWS did not answer",
        "The portal could not reach AWS.",
        "Check the network from the portal to AWS, the region's name and AWS_ENDPOINT_URL; then retry.",
    ),
    "aws_failed": Explanation(
        "AWS refused the request",
        "AWS answered with an error; the message says which.",
        "Correct what the message names, then retry.",
    ),
    "instance_gone": Explanation(
        "The machine no longer exists",
        "It was terminated outside the portal.",
        "Choose another instance for this environment, or provision a new one; then deploy again.",
    ),
    "aws_type_not_found": Explanation(
        "There is no such instance type",
        "AWS does not know this instance type in the region, or does not offer it there.",
        "Choose another instance type for the instance, then retry.",
    ),
    "aws_no_network": Explanation(
        "There is no network for the machine",
        "The region has no default network (VPC), and no subnet was chosen.",
        "Choose a subnet for the instance, then retry.",
    ),
    "aws_group_not_ours": Explanation(
        "The security group belongs to somebody else",
        "A security group of that name exists, and the portal did not make it; it changes none but its own.",
        "Choose another SECURITY_GROUP_NAME or rename that group, then retry.",
    ),
    "aws_not_ours": Explanation(
        "The machine belongs to somebody else",
        "It does not carry this portal's tag, and the portal changes none but its own.",
        "Adopt it on the page of machines that no table knows, or choose another instance.",
    ),
    "aws_not_found": Explanation(
        "AWS no longer has it",
        "Something that the portal made in AWS was removed there by somebody else.",
        "Retry; what is missing is made anew.",
    ),
    "aws_in_use": Explanation(
        "Something in AWS is still in use",
        "AWS does not remove or change it while something else uses it.",
        "Retry in a few minutes.",
    ),
    "aws_wrong_state": Explanation(
        "The machine is between two states",
        "AWS refused it because the machine is just starting, stopping or ending.",
        "Retry in a few minutes.",
    ),
    "aws_token_mismatch": Explanation(
        "The machine was asked for differently before",
        "AWS knows this request with other settings; they were changed while the machine was being made.",
        "Retry; a new request is made.",
    ),
}
