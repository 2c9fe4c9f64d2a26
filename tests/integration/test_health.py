"""What load balancers, containers and `doctor` are told about the portal, one broken thing at a time."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django_q.models import OrmQ

from portal import doctor
from portal.checks import MACHINE, SERVICES, Question, machine, services
from portal.core import heartbeat
from portal.core.clock import now_plus
from portal.core.models import Heartbeat
from portal.core.secrets import Secret
from portal.supervisor import processes, records
from tests import factories
from tests.servers import free_port


@pytest.fixture
def working(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal in which all is well."""
    heartbeat.beat("canary")
    monkeypatch.setattr(services, "_migrations_good_until", 0.0)


def answer(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    response = client.get(path)
    return response.status_code, response.json()


def broken(question: Question) -> str:
    """The code and the sentence of a question that must have a bad answer."""
    check = question.answer()
    assert not check.ok
    assert check.fix
    return f"{check.code}: {check.detail}"


def test_livez_asks_nothing_of_the_database(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
def test_ready_when_a_task_went_through_the_queue_lately(client: Client, path: str) -> None:
    status, content = answer(client, path)
    assert (status, content["status"]) == (200, "ready")
    assert set(content["checks"].values()) == {"ok"}


@pytest.mark.usefixtures("working")
def test_the_health_addresses_start_no_session(client: Client) -> None:
    for path in ("/livez", "/readyz", "/health", "/api/health"):
        assert not client.get(path).cookies


@pytest.mark.usefixtures("working")
def test_not_ready_when_the_last_canary_is_old(client: Client) -> None:
    Heartbeat.objects.update(at=now_plus(timedelta(seconds=-31)))
    status, content = answer(client, "/readyz")
    assert status == 503
    assert "31 s old" in content["checks"]["worker"]
    assert content["checks"]["database"] == "ok"


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_healthy_with_every_component_named(client: Client, path: str) -> None:
    status, content = answer(client, path)
    assert (status, content["status"], content["database"]) == (200, "healthy", "connected")
    assert {"service", "version", "timestamp"} <= set(content)
    assert {"database", "queue", "worker", "channel layer", "storage", "redis"} <= set(content["components"])


@pytest.mark.usefixtures("working")
def test_degraded_names_the_redis_that_is_gone(client: Client, settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    status, content = answer(client, "/health")
    assert (status, content["status"]) == (503, "degraded")
    assert {"redis", "channel layer"} <= set(content["broken"])
    assert content["components"]["database"]["status"] == "healthy"


@pytest.mark.usefixtures("working")
def test_degraded_when_the_database_is_unreachable(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OperationalError("could not connect to secret-host")

    with monkeypatch.context() as away:
        away.setattr(connection, "ensure_connection", fail)
        away.setattr(connection, "close", lambda: None)
        response = client.get("/api/health")
    assert (response.status_code, response.json()["database"]) == (503, "unreachable")
    assert b"secret-host" not in response.content


@pytest.mark.usefixtures("working")
def test_a_migration_that_is_missing_is_named() -> None:
    MigrationRecorder(connection).record_unapplied("instances", "0002_machines")
    assert "instances.0002_machines" in broken(services.migrations)


@pytest.mark.usefixtures("working")
def test_a_queue_that_does_not_move_is_broken() -> None:
    OrmQ.objects.create(key="portal", payload="x", lock=now_plus(timedelta(seconds=-300)))
    assert broken(services.queue).startswith("13: The oldest message has waited for 30")


@pytest.mark.usefixtures("working")
def test_canaries_on_their_way_do_not_count_as_waiting() -> None:
    OrmQ.objects.create(key="probe x", payload="x", lock=now_plus(timedelta(days=-1)))
    assert services.queue.answer().ok


def test_a_folder_that_cannot_be_written_is_broken(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "gone"
    assert broken(services.storage).startswith("17: ")


def test_too_little_room_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FREE_BYTES", 1 << 60)
    assert "are free" in broken(services.storage)


def test_every_question_has_a_code_of_its_own() -> None:
    codes = [question.code for question in [*SERVICES, *MACHINE]]
    assert len(set(codes)) == len(codes)
    assert min(codes) >= 10


def test_git_that_is_missing_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert broken(machine.git) == "20: git is not installed."


def test_an_engine_that_is_asked_for_but_does_not_answer_is_broken(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "processes" in machine.runtime.ask()
    settings.LOCAL_RUNTIME = "docker"
    assert broken(machine.runtime).startswith("21: No Docker engine answers")


@pytest.mark.django_db
def test_a_clock_that_is_wrong_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = machine.database_now()
    monkeypatch.setattr(machine, "database_now", lambda: now + timedelta(minutes=10))
    assert broken(machine.clock).startswith("23: ")


@pytest.mark.django_db
def test_a_lost_field_key_is_found_before_somebody_needs_it(settings: Any) -> None:
    application = factories.application()
    application.git_token = Secret("a token")
    application.save()
    assert "1 stored" in machine.field_keys.ask()
    settings.FIELD_KEYS = ["1:another key altogether"]
    assert broken(machine.field_keys).startswith("24: ")


def test_keys_that_others_may_read_are_broken(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "field_key").write_text("key")
    (tmp_path / "field_key").chmod(0o644)
    assert "chmod 600" in machine.permissions.answer().fix
    (tmp_path / "field_key").chmod(0o600)
    assert machine.permissions.answer().ok


def test_passwords_in_the_clear_are_broken(settings: Any) -> None:
    settings.HOST, settings.SECURE_COOKIES = "0.0.0.0", False
    assert broken(machine.exposure).startswith("26: ")
    settings.SECURE_COOKIES = True
    assert machine.exposure.answer().ok


def test_processes_that_outlived_their_worker_are_found_and_ended(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "run").mkdir()
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)
    path = records.keep(tmp_path / "run", orphan.pid)
    assert machine.left_over_processes.answer().ok
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "supervisor": 2**22 + 1}))
    assert str(orphan.pid) in broken(machine.left_over_processes)
    assert records.end_orphans(tmp_path / "run") == 1
    assert orphan.wait(timeout=5) == -9
    assert machine.left_over_processes.answer().ok


def test_a_process_that_only_has_the_same_number_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    path = records.keep(tmp_path, other.pid)
    written = json.loads(path.read_text())
    changed = {"supervisor": 2**22 + 1, "group_started": written["group_started"] - 5}
    path.write_text(json.dumps({**written, **changed}))
    assert records.end_orphans(tmp_path) == 0
    assert processes.look_at(other.pid) is not None
    other.kill()
    other.wait(timeout=5)


@pytest.mark.usefixtures("working")
def test_doctor_exits_with_the_code_of_what_is_broken_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 20
    assert "apt-get install git" in capsys.readouterr().out


@pytest.mark.usefixtures("working")
def test_doctor_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json")
    content = json.loads(capsys.readouterr().out)
    assert {check["name"] for check in content["checks"]} >= {"database", "worker", "git", "field keys"}
    assert ended.value.code == doctor.exit_code(doctor.run())


def test_doctor_shows_what_is_set_and_masks_secrets() -> None:
    shown = settings_shown(
        SECRET_KEY="s3cret-" + "k" * 40, DATABASE_URL="postgres://me:pass%23word@db:5432/x", PORT="8011"
    )
    assert shown["PORT"] == "8011"
    assert shown["DATABASE_URL"] == "postgres://me:••••@db:5432/x"
    assert shown["SECRET_KEY"] == "••••"
    assert shown["HOST"] == "(default)"


def test_all_wrong_settings_are_told_at_once() -> None:
    done = run_manage(DEBUG="maybe", PORT="80a", PORTAL_LOCAL_PUBLIC_PORTS="5", LOG_FORMAT="xml")
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert len(told) == 5
    assert "Traceback" not in done.stderr
    assert "DEBUG is 'maybe'; it must be 1 or 0." in told
    assert "PORT is '80a'; it must be a whole number." in told


def test_a_secret_may_begin_with_a_dollar_and_stand_in_a_file(tmp_path: Path) -> None:
    key = "$" + "HOME-is-not-a-variable-here-0123456789"
    (tmp_path / "key").write_text(key + "\n")
    assert ask_settings("SECRET_KEY", SECRET_KEY_FILE=str(tmp_path / "key")) == key


def settings_shown(**environment: str) -> dict[str, str]:
    return dict(
        json.loads(run("import json; print(json.dumps(settings.ENVIRONMENT.shown()))", **environment))
    )


def ask_settings(name: str, **environment: str) -> str:
    return run(f"print(settings.{name})", **environment).strip()


def run(code: str, **environment: str) -> str:
    """Run code that only needs the settings, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings\n{code}"], env=clean_environment(**environment),
        capture_output=True, text=True, timeout=60, check=True, cwd=ROOT,
    )  # fmt: skip
    return done.stdout


def run_manage(**environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "check"], env=clean_environment(**environment),
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip


def clean_environment(**environment: str) -> dict[str, str]:
    from django.conf import settings

    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_DATA_DIR": str(settings.DATA_DIR),
        **environment,
    }


ROOT = Path(__file__).resolve().parents[2]
