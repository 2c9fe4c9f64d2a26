"""The pages of the roof: overview, sign-in, tokens, system, and what is shown when something is wrong."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.urls import reverse, reverse_lazy
from django.utils.cache import patch_vary_headers
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from deployments import listing, queries
from deployments.states import UNFINISHED, Health
from portal import doctor
from portal.api import errors as api_errors
from portal.core import access, tokens
from portal.core.errors import NotFound
from portal.core.logcontext import request_id
from portal.core.models import Token
from portal.core.pages import PageRequest
from portal.forms import LoginForm, PasswordForm, TokenForm

RECENT = 8


class Login(LoginView):
    """Signing in; afterwards back to where the person wanted to go."""

    template_name = "registration/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class ChangePassword(PasswordChangeView):
    """A new password; the other sessions of this person end."""

    form_class = PasswordForm
    success_url = reverse_lazy("overview")

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password is changed.")
        return super().form_valid(form)


@require_GET
def root(request: HttpRequest) -> HttpResponse:
    """The overview for people; for programs that ask for JSON, where to go."""
    if _wants_json(request):
        answer: HttpResponse = JsonResponse({"message": "Portal API", "docs": "/docs", "health": "/health"})
    else:
        answer = overview(request)
    patch_vary_headers(answer, ["Accept"])
    return answer


def _wants_json(request: HttpRequest) -> bool:
    accepted = request.headers.get("Accept", "")
    return "application/json" in accepted and "text/html" not in accepted


@login_required
def overview(request: Any) -> HttpResponse:
    """What runs, what is under way, what needs somebody."""
    user = request.user
    rows = listing.candidates(user)
    context = {
        "overview": queries.overview(user),
        "moving": listing.newest(rows.filter(status__in=UNFINISHED), RECENT),
        "recent": listing.newest(rows.exclude(status__in=UNFINISHED), RECENT),
        "failing": list(
            queries.visible_environments(user).filter(health__in=(Health.UNHEALTHY, Health.LOST))[:RECENT]
        ),
        "has_token": Token.objects.filter(user=user, revoked_at=None).exists(),
        "may_deploy": access.teams_with(user, "deployment.start").exists(),
    }
    fragment = request.headers.get("HX-Target") == "overview-live"
    return render(request, "portal/_overview_live.html" if fragment else "portal/overview.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def token_list(request: PageRequest) -> HttpResponse:
    """One's own tokens; a new one is shown this once."""
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            token, secret = tokens.create(user=request.user, by=request.user, **form.cleaned_data)
        except ValidationError as error:
            form.take_errors(error)
        else:
            return _show_tokens(request, TokenForm(), made=token, secret=secret.reveal())
    return _show_tokens(request, form, status=422 if form.errors else 200)


def _show_tokens(request: PageRequest, form: TokenForm, status: int = 200, **made: Any) -> HttpResponse:
    rows = Token.objects.filter(user=request.user).order_by("revoked_at", "-created_at")[:100]
    context = {"form": form, "tokens": [(row, tokens.is_usable(row)) for row in rows.select_related("user")]}
    return render(request, "portal/tokens.html", context | made, status=status)


@require_POST
def token_revoke(request: PageRequest, pk: int) -> HttpResponse:
    """End a token."""
    token = tokens.visible_tokens(request.user).filter(pk=pk).first()
    if token is None:
        raise NotFound
    tokens.revoke(token=token, by=request.user)
    messages.success(request, f"{token.name} no longer works.")
    return redirect("tokens")


@require_GET
def system(request: PageRequest) -> HttpResponse:
    """What the doctor finds: database, queue, workers, engine, disk. Settings are for portal admins."""
    checks = doctor.run()
    broken = sum(not check.ok for check in checks)
    effective = doctor.effective_settings() if request.user.is_superuser else {}
    return render(request, "portal/system.html", {"checks": checks, "broken": broken, "effective": effective})


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Nothing there: JSON for programs, a page for people, the sign-in for strangers."""
    if request.path.startswith("/api/"):
        return api_errors.not_found(request)
    # Not every 404 has passed the middleware that knows the person.
    if not hasattr(request, "user"):
        return HttpResponse("Not found", status=404, content_type="text/plain")
    if not request.user.is_authenticated:
        return redirect(f"{reverse(settings.LOGIN_URL)}?next={request.path}")
    return render(request, "404.html", status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """What cannot be read at all: a foreign host name, too many fields."""
    if request.path.startswith("/api/"):
        return api_errors.bad_request(request)
    return defaults.bad_request(request, exception or Exception())


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's own refusals, such as those of the admin."""
    if request.path.startswith("/api/"):
        return api_errors.forbidden(request)
    return render(request, "403.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Something broke; the request id leads to the log. Touches neither session nor database."""
    if request.path.startswith("/api/"):
        return api_errors.server_error(request)
    return HttpResponse(loader.render_to_string("500.html", {"request_id": request_id.get()}), status=500)
