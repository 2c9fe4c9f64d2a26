"""Many at once: one deployment of twenty clicks, one end of every race, and everybody gets a turn."""

from collections.abc import Iterator

import pytest

from tests import postgres
from tests.e2e.portal_process import Portal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def portal(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("races")
    if request.param == "sqlite":
        portal = Portal(folder)
        yield portal
        portal.close()
        return
    with postgres.server() as url:
        portal = Portal(folder / "data", DATABASE_URL=url)
        yield portal
        portal.close()


def test_twenty_clicks_make_one_deployment(portal: Portal) -> None:
    """Twenty threads start the same deployment at the same moment, twenty times over."""
    answer = portal.run(
        """
        import threading
        from django.db import connection
        from deployments import actions
        from deployments.models import Deployment
        from portal.core.models import User

        user = User.objects.get(username="admin")
        answer = []
        for round in range(20):
            ids, errors, gate = [], [], threading.Barrier(20)

            def click():
                gate.wait(timeout=30)
                try:
                    started = actions.deploy_url(git_url="https://github.com/acme/clicked", by=user, branch=f"b{round}")
                    ids.append(str(started.deployment.uuid))
                except Exception as error:
                    errors.append(repr(error))
                finally:
                    connection.close()

            threads = [threading.Thread(target=click) for _ in range(20)]
            [thread.start() for thread in threads]
            [thread.join(timeout=120) for thread in threads]
            made = Deployment.objects.filter(ref=f"b{round}").count()
            answer.append([made, len(set(ids)), len(ids), errors])
        """
    )
    assert answer == [[1, 1, 20, []]] * 20


def test_cancel_and_finish_race_to_one_end(portal: Portal) -> None:
    """Two hundred times a cancel meets the end of the deployment: exactly one end is ever written."""
    answer = portal.run(
        """
        import threading
        from collections import Counter
        from django.db import connection
        from deployments import actions
        from deployments.models import Deployment, Environment
        from deployments.pipeline import claims, endings
        from deployments.pipeline.work import open_work
        from portal.core.errors import ActionDenied
        from portal.core.models import AuditEvent, User
        from tests import factories

        user = User.objects.get(username="admin")
        team = user.memberships.get().team
        ends, ended = Counter(), 0
        environment = factories.environment(factories.application(of=team))
        release = factories.release(environment)
        for round in range(200):
            facts = dict(container="c", host_port=21000, public_port=20000, url="http://x/")
            deployment = factories.deployment_at("running", of=environment, release=release, facts=facts)
            claim = claims.take(deployment, owner="racer")
            gate = threading.Barrier(2)

            def finish():
                gate.wait(timeout=30)
                work = open_work(claim, Deployment.objects.get(pk=deployment.pk))
                endings.succeed(work)
                connection.close()

            def stop():
                gate.wait(timeout=30)
                try:
                    actions.cancel(deployment=Deployment.objects.get(pk=deployment.pk), by=user)
                except ActionDenied:
                    pass
                connection.close()

            threads = [threading.Thread(target=finish), threading.Thread(target=stop)]
            [thread.start() for thread in threads]
            [thread.join(timeout=60) for thread in threads]
            deployment.refresh_from_db()
            if deployment.status == "cancelling":
                second = claims.take(deployment, owner="second")
                work = open_work(second, Deployment.objects.get(pk=deployment.pk))
                endings.begin(work.claim, work.deployment, ending="cancelled")
                while endings.undo_next(work) is not None:
                    pass
                deployment.refresh_from_db()
            ends[deployment.status] += 1
            ended += AuditEvent.objects.filter(
                object_id=str(deployment.uuid), action__in=["deployment.succeeded", "deployment.cancelled"]
            ).count()
        answer = [dict(ends), ended]
        """
    )
    ends, ended = answer
    assert set(ends) <= {"succeeded", "cancelled"}
    assert sum(ends.values()) == 200
    assert ended == 200


def test_two_workers_never_hold_the_same_deployment(portal: Portal) -> None:
    answer = portal.run(
        """
        import threading, time
        from django.db import connection
        from deployments.models import Deployment
        from deployments.pipeline import claims, engine
        from portal.core.models import User
        from tests import factories

        team = User.objects.get(username="admin").memberships.get().team
        held = {}
        for number in range(30):
            factories.deployment_at(of=factories.environment(factories.application(f"held-{number}", of=team)))
        lock, doubles = threading.Lock(), []

        def take():
            owner = claims.new_owner()
            while (claim := engine.claim_next(owner)) is not None:
                with lock:
                    if claim.deployment_id in held:
                        doubles.append(claim.deployment_id)
                    held[claim.deployment_id] = owner
            connection.close()

        threads = [threading.Thread(target=take) for _ in range(6)]
        [thread.start() for thread in threads]
        [thread.join(timeout=60) for thread in threads]
        answer = [len(held) >= 30, doubles]
        Deployment.objects.filter(pk__in=held).update(status="cancelled", due_at=None)
        """,
        PORTAL_LEASE_SECONDS="60",
    )
    assert answer == [True, []]
