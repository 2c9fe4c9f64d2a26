"""Certificates of Let's Encrypt for the names of a site, asked for while the site answers on plain HTTP."""

from django.conf import settings

from deployments.pipeline.context import Context
from deployments.pipeline.progress import DONE, Progress, StepFailed, Wait
from deployments.pipeline.proxies.base import ProxyRefused, Route
from deployments.pipeline.proxies.nginx import NginxProxy

OUTPUT_LOOKED_AT = 4000


def ensure(ctx: Context, route: Route) -> Progress:
    """Get a certificate unless there is one; until then nothing of the site changes but the challenge's path."""
    if not route.https:
        return DONE
    assert isinstance(ctx.proxy, NginxProxy)
    if not ctx.has_job("certificate"):
        if ctx.proxy.certificate_expiry(route.hostnames[0]):
            return DONE
        try:
            ctx.proxy.answer_challenges(route)
        except ProxyRefused as error:
            raise StepFailed("proxy_failed", str(error)) from error
    script = ctx.proxy.certificate_script(
        route.hostnames, email=settings.SSL_EMAIL, acme_url=settings.ACME_URL
    )
    try:
        progress = ctx.job("certificate", script, code="certificate_failed")
    except StepFailed as failure:
        if failure.code != "certificate_failed":
            raise
        said = ctx.job_output("certificate", last=OUTPUT_LOOKED_AT).strip().splitlines()[-3:]
        raise StepFailed("certificate_failed", " ".join(said), **failure.evidence) from None
    if isinstance(progress, Wait):
        return progress
    ctx.say(f"There is a certificate for {', '.join(route.hostnames)}.")
    return DONE
