"""The codes of failures by what was being done, so that a rule only reads words that can be meant."""

AWS = {
    "aws_credentials", "aws_unauthorized", "aws_image_not_found", "aws_key_pair_mismatch",
    "aws_key_pair_not_found", "aws_no_capacity", "aws_quota", "aws_throttled", "aws_unreachable", "aws_failed",
}  # fmt: skip
SSH = {
    "ssh_auth_failed", "ssh_host_key_changed", "ssh_host_key_unknown", "host_unreachable", "step_timeout",
}  # fmt: skip
PACKAGES = {"packages_locked", "packages_failed", "command_failed", "step_timeout"}
GIT = {"repository_not_found", "git_auth_failed", "git_failed", "git_unreachable"}
BUILD = {
    "build_failed", "build_command_failed", "base_image_missing", "process_cannot", "pull_failed",
    "tests_failed", "step_timeout", "disk_full",
}  # fmt: skip
CRASHED = {"container_exited", "died_after_switch"}
SILENT = {"unhealthy", "wrong_port", "loopback_only", "health_error", "died_after_switch"}
RUN = CRASHED | SILENT | {"out_of_memory", "hook_failed", "tests_failed"}
TRAFFIC = {"proxy_failed", "certificate_failed", "died_after_switch", "health_error", "unhealthy"}
ANY_ACT = BUILD | RUN | PACKAGES | TRAFFIC | {"internal_error", "git_failed", "command_failed"}
