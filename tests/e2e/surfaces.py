"""One input sent through each surface of a portal: its page, its API, its admin. Runs inside the portal's process."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.apps import apps
from django.test import Client
from django.test.utils import setup_test_environment
from django.urls import reverse

from deployments.models import Application, Environment
from instances.models import Instance
from portal.core import tokens
from portal.core.models import User
from portal.preparation import collect_static

API = "/api/v1"
# The API's word where the page has another.
NAMES = {"git_url": "github_url"}
VARIABLE_REFUSED = "The variable was not stored. "
NOT_SAVED = "Nothing was saved. "

Answers = dict[str, list[str]]


class Surfaces:
    """The doors of one environment on a server, as an administrator uses them."""

    def __init__(self, application: str, instance: str) -> None:
        self.user = User.objects.get(username="admin")
        self.application = Application.objects.get(name=application)
        self.environment: Environment = self.application.environments.get()
        self.instance = Instance.objects.get(name=instance)
        self.page = Client(raise_request_exception=False)
        self.page.force_login(self.user)
        self.new_token()

    def new_token(self) -> None:
        """Another one, for each may ask only so often."""
        _, secret = tokens.create(user=self.user, name="hostile", scopes=["admin"], by=self.user)
        self.headers = {"Authorization": f"Bearer {secret.reveal()}"}

    def try_all(self, noun: str, field: str, value: Any) -> Answers:
        """What each surface said; an empty list means that it took it."""
        self.new_token()
        doors: dict[str, Callable[[str, Any], Answers]] = {
            "application": self._application, "environment": self._environment, "variable": self._variable,
            "deploy": self._deploy, "place": self._place, "server": self._server, "ec2": self._ec2,
        }  # fmt: skip
        return doors[noun](field, value)

    def try_and_look(self, noun: str, field: str, value: Any) -> tuple[Answers, list[str]]:
        """What each surface said, and which tables are not as before."""
        before = rows()
        answers = self.try_all(noun, field, value)
        now = rows()
        return answers, [label for label in now if now[label] != before[label]]

    # One noun after the other.

    def _application(self, field: str, value: Any) -> Answers:
        name = self.application.name
        page = self.page.get(reverse("application", args=[name]))
        words = {"hooks": "hook_pre_deploy"}
        text = _typed(field, value)
        sent = _entered(page.context["settings_form"]) | {words.get(field, field): text}
        return {
            "form": self._form(reverse("application-settings", args=[name]), sent, words.get(field, field)),
            "api": self._api("PATCH", f"/applications/{name}", {field: _meant(field, value)}),
            "admin": self._admin("application", self.application.pk, {field: _stored(field, value)}),
        }

    def _environment(self, field: str, value: Any) -> Answers:
        where = [self.application.name, self.environment.name]
        address = reverse("environment-settings", args=where)
        sent = _entered(self.page.get(address).context["form"]) | {field: _typed(field, value)}
        stored = {"proxy_options": json.dumps({field: value})} if field in ("headers", "allow") else {field: _stored(field, value)}  # fmt: skip
        meant = {"proxy_options": {field: value}} if field in ("headers", "allow") else {field: value}
        return {
            "form": self._form(address, sent, field),
            "api": self._api("PATCH", f"/applications/{where[0]}/environments/{where[1]}", meant),
            "admin": self._admin("environment", self.environment.pk, stored),
        }

    def _variable(self, field: str, value: Any) -> Answers:
        where = [self.application.name, self.environment.name]
        sent = {"key": "APP_TRIED", "value": "x", field: value}
        in_admin = {"variables-0-key": sent["key"], "variables-0-new_value": sent["value"]}
        return {
            "form": self._form(reverse("variable-set", args=where), sent, field),
            "api": self._api("PUT", f"/applications/{where[0]}/env", {"environment": where[1], **sent}),
            "admin": self._admin(
                "environment", self.environment.pk, {"variables-TOTAL_FORMS": "1", **in_admin}
            ),
        }

    def _deploy(self, field: str, value: Any) -> Answers:
        source = "image" if field == "image" else "git"
        target = "ec2" if field == "instance_name" else self.instance.name
        sent = {"source": source, "name": "hostile-new", "target": target, "environment": "dev"}
        meant: dict[str, Any] = {"name": "hostile-new", "target": target}
        if source == "git":
            sent["git_url"] = meant["github_url"] = self.application.git_url
        if field == "variable_key":
            sent["variable_value"] = "x"
        told = {"env": {value: "x"}} if field == "variable_key" else {NAMES.get(field, field): value}
        return {
            "form": self._form(reverse("deploy"), sent | {field: value}, field),
            "api": self._api("POST", "/deployments", meant | told),
        }

    def _place(self, field: str, value: Any) -> Answers:
        name = self.application.name
        sent = {"name": "stage", "instance": self.instance.pk, field: value}
        meant = {"name": "stage", "instance": self.instance.name, field: value}
        return {
            "form": self._form(reverse("environment-create", args=[name]), sent, field),
            "api": self._api("POST", f"/applications/{name}/environments", meant),
        }

    def _server(self, field: str, value: Any) -> Answers:
        sent = {"name": "hostile-box", "ssh_host": "10.9.9.9", "ssh_user": "ubuntu", field: value}
        return {
            "form": self._form(reverse("instance-add"), sent, field),
            "api": self._api("POST", "/instances", {"kind": "server", **sent}),
        }

    def _ec2(self, field: str, value: Any) -> Answers:
        sent: dict[str, Any] = {"name": "hostile-ec2", "region": "us-east-1", "instance_type": "t3.micro"}
        return {
            "form": self._form(reverse("instance-add-ec2"), {**sent, "volume_gb": "20", field: value}, field),
            "api": self._api("POST", "/instances", {"kind": "ec2", **sent, field: value}),
        }

    # One surface after the other.

    def _form(self, address: str, sent: dict[str, Any], field: str) -> list[str]:
        answer = self.page.post(address, sent, follow=True)
        return _found(answer, {field})

    def _api(self, method: str, path: str, body: dict[str, Any]) -> list[str]:
        answer = self.page.generic(
            method, API + path, json.dumps(body), content_type="application/json", headers=self.headers
        )
        if answer.status_code < 300:
            return []
        told = answer.json()
        assert told["status"] == answer.status_code, told
        if told["code"] != "invalid":
            return [f"{answer.status_code} {told['code']} {told['detail']}"]
        return sorted({entry["detail"] for entry in told["errors"]})

    def _admin(self, model: str, key: int, changes: dict[str, Any]) -> list[str]:
        address = reverse(f"admin:deployments_{model}_change", args=[key])
        page = self.page.get(address)
        sent = _entered(page.context["adminform"].form)
        for inline in page.context["inline_admin_formsets"]:
            formset = inline.formset
            sent |= {
                f"{formset.prefix}-{name}": value for name, value in formset.management_form.initial.items()
            }
        answer = self.page.post(address, sent | changes, follow=True)
        return _found(answer, set(changes))


@cache
def _doors(application: str, instance: str) -> Surfaces:
    setup_test_environment()
    collect_static()
    return Surfaces(application, instance)


def tried(
    application: str, instance: str, noun: str, field: str, values: list[Any]
) -> list[tuple[str, Answers, list[str]]]:
    """Each value, what the surfaces said, and which tables are not as before."""
    doors = _doors(application, instance)
    return [(repr(value)[:80], *doors.try_and_look(noun, field, value)) for value in values]


def _found(answer: Any, fields: set[str]) -> list[str]:
    """Every sentence of refusal on a page."""
    if answer.status_code >= 500 or answer.context is None:
        return [f"{answer.status_code} {answer.content.decode()[:300]}"]
    texts: set[str] = set()
    for name in ("form", "settings_form", "environment_form"):
        # A field that the form does not have is named in front.
        texts |= {text.removeprefix("Key: ") for text in _errors(answer.context.get(name))}
    if answer.context.get("adminform") is not None:
        texts |= _errors(answer.context["adminform"].form)
        for inline in answer.context["inline_admin_formsets"]:
            for form in inline.formset.forms:
                texts |= _errors(form)
    for message in answer.context.get("messages") or []:
        if message.level_tag == "error":
            text = str(message).removeprefix(VARIABLE_REFUSED).removeprefix(NOT_SAVED)
            texts.add(text)
    return sorted(texts)


def _errors(form: Any) -> set[str]:
    if form is None or not hasattr(form, "errors") or not form.is_bound:
        return set()
    return {str(text) for texts in form.errors.values() for text in texts}


def _entered(form: Any) -> dict[str, Any]:
    """What a browser would send of a form as it is shown."""
    sent = {}
    for field in form:
        value = field.value()
        if value not in (None, False):
            sent[field.html_name] = value
    return sent


def _typed(field: str, value: Any) -> Any:
    """As people write it into the page."""
    if field == "headers":
        return "\n".join(f"{name}: {text}" for name, text in value.items())
    if field == "build_args":
        return "\n".join(f"{name}={text}" for name, text in value.items())
    if field in ("hostnames", "allow"):
        return "\n".join(value)
    return value


def _meant(field: str, value: Any) -> Any:
    return {"pre_deploy": value} if field == "hooks" else value


def _stored(field: str, value: Any) -> Any:
    """As people write it into the admin: lists and objects as JSON."""
    meant = _meant(field, value)
    return json.dumps(meant) if isinstance(meant, dict | list) else meant


def rows() -> dict[str, str]:
    """All rows of the portal's own nouns, to see whether an input left anything."""
    kept = {}
    for label in ("deployments", "instances"):
        for model in apps.get_app_config(label).get_models():
            kept[model._meta.label] = repr(list(model._default_manager.order_by("pk").values_list()))
    return kept
