"""Makes the deployments that wait, and says when the last one ended.

python -m bench.waits_tasks make 200 | wait 200
"""

import json
import sys
import time

import django

PATIENCE_SECONDS = 120.0
# Time to start all of them, before the wait that is measured begins.
START_SECONDS = 20.0


def make(count: int) -> dict[str, float]:
    from bench.waits_app import WAIT_SECONDS
    from deployments import tasks
    from tests import factories

    team = factories.team("waiting")
    until = time.time() + START_SECONDS + WAIT_SECONDS
    for number in range(count):
        place = factories.environment(factories.application(f"waiting-{number}", of=team))
        # What a deployment that succeeds has found out, and until when this one waits.
        facts = {"until": until, "url": "", "container": "", "host_port": 1, "public_port": 20000 + number}
        factories.deployment_at(of=place, release=factories.release(place), facts=facts)
    tasks.wake()
    return {"began": until - WAIT_SECONDS}


def wait(count: int) -> dict[str, float]:
    from deployments.models import Deployment

    deadline = time.monotonic() + PATIENCE_SECONDS
    while Deployment.objects.filter(finished_at__isnull=False).count() < count:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)
    last = Deployment.objects.order_by("-finished_at").values_list("finished_at", flat=True)[0]
    succeeded = Deployment.objects.filter(status="succeeded").count()
    return {"ended": last.timestamp(), "succeeded": succeeded}


if __name__ == "__main__":
    django.setup()
    print(json.dumps({"make": make, "wait": wait}[sys.argv[1]](int(sys.argv[2]))))
