"""Puts a waiting step in the place of the steps of a local deployment."""

import time

from django.apps import AppConfig

WAIT_SECONDS = 20.0


class WaitsConfig(AppConfig):
    name = "bench"
    label = "bench"

    def ready(self) -> None:
        from deployments.pipeline import plans
        from deployments.pipeline.progress import DONE, Progress, Wait, step
        from instances.states import Kind

        @step("validate", "Wait for something outside", timeout=300)
        def wait(ctx: object) -> Progress:
            """Due at the moment that the measurement has set; until then there is nothing to do."""
            left = ctx.facts["until"] - time.time()  # type: ignore[attr-defined]
            return DONE if left <= 0 else Wait(left)

        plans.PLANS[Kind.LOCAL] = (wait,)
