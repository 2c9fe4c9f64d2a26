"""Twenty deployments to five machines at once with three workers: all end right."""

from pathlib import Path

import pytest

from tests.e2e.cloud import Cloud, get
from tests.e2e.portal_process import wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(1200),
]

MACHINES = 5
EACH = 4


def test_twenty_deployments_to_five_machines_with_three_workers(tmp_path: Path) -> None:
    cloud = Cloud()
    portal = cloud.portal(tmp_path, PORTAL_INSTALLATION=cloud.named("many"), HEALTH_CHECK_RETRIES="60")
    try:
        uuids = portal.run(
            f"""
            from deployments import actions
            from portal.core.models import Team, User
            from instances.actions import create_ec2
            by, team = User.objects.get(), Team.objects.get()
            answer = []
            for number in range({MACHINES}):
                create_ec2(by=by, name=f"many-{{number}}", team=team)
            for turn in range({EACH}):
                for number in range({MACHINES}):
                    started = actions.deploy_url(
                        git_url={cloud.app("hello")!r}, by=by, name=f"app-{{number}}-{{turn}}", target=f"many-{{number}}"
                    )
                    answer.append(str(started.deployment.uuid))
            """
        )
        assert len(uuids) == MACHINES * EACH
        for _ in range(3):
            portal.start_worker()
        states = wait_until(
            lambda: portal.run(
                "from deployments.models import Deployment; "
                "answer = [[d.status, d.failure_code, d.url] for d in Deployment.objects.all()]"
            ),
            lambda states: all(state[0] not in ("queued", "running") for state in states),
            seconds=900,
        )
        assert [state[:2] for state in states] == [["succeeded", ""]] * (MACHINES * EACH), states
        urls = [state[2] for state in states]
        assert len(set(urls)) == MACHINES * EACH
        assert [get(url)[0] for url in urls] == [200] * (MACHINES * EACH)
        assert len(cloud.machines(cloud.named("many"))) == MACHINES
    finally:
        portal.close()
        cloud.end_machines(cloud.named("many"))
