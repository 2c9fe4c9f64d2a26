"""The table of rules, most specific first."""

from deployments.diagnosis.base import Rule
from deployments.diagnosis.rules import aws, build, crash, git, proxy, run, ssh

RULES: tuple[Rule, ...] = (
    *aws.RULES,
    *ssh.RULES,
    *git.RULES,
    *build.RULES,
    *run.RULES,
    *proxy.RULES,
    *crash.RULES,
)
