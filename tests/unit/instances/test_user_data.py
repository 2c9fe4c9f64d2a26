"""What a new machine is told is valid, small, and starts nothing that holds its start up."""

import base64
import gzip
import shlex

import pytest
import yaml
from django.conf import settings

from instances import bootstrap
from instances.clouds.user_data import LIMIT_BYTES, user_data
from instances.hosts import keys

HOST, CLIENT = keys.make(), keys.make()


def config(**fields: object) -> dict[str, object]:
    text = made(**fields)
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def made(**fields: object) -> str:
    return user_data(
        instance="0a1b",
        host_private=HOST.private,
        host_public=HOST.public,
        client_public=CLIENT.public,
        **fields,
    )  # type: ignore[arg-type]


def test_it_fits_into_what_aws_takes_with_many_images() -> None:
    assert len(made(warm=[f"python:3.{minor}-slim" for minor in range(30)]).encode()) < LIMIT_BYTES


def test_too_much_is_refused_before_aws_refuses_it() -> None:
    with pytest.raises(ValueError, match="bytes"):
        made(warm=["x" * LIMIT_BYTES])


def test_the_keys_are_ours_and_no_password_signs_in() -> None:
    found = config()
    assert found["ssh_keys"] == {"ed25519_private": HOST.private.reveal(), "ed25519_public": HOST.public}
    assert found["ssh_authorized_keys"] == [CLIENT.public]
    assert (found["ssh_deletekeys"], found["ssh_pwauth"]) == (True, False)
    assert "default" in found["users"]


def test_the_script_arrives_as_it_is_and_only_root_may_read_it() -> None:
    files = {file["path"]: file for file in config()["write_files"]}
    script = files["/var/lib/portal/bootstrap.sh"]
    unpacked = gzip.decompress(base64.b64decode(script["content"])).decode()
    assert unpacked == bootstrap.script(source=settings.DOCKER_SOURCE, extras=settings.BOOTSTRAP_EXTRAS)
    assert script["permissions"] == "0700"
    marker = files["/var/lib/portal/instance"]
    assert gzip.decompress(base64.b64decode(marker["content"])) == b"0a1b\n"


def test_the_same_words_make_the_same_user_data() -> None:
    """A request is sent again unchanged; a time stamp inside would make it another one."""
    assert made(warm=["python:3.11"]) == made(warm=["python:3.11"])


def test_getting_ready_runs_beside_the_start_and_odd_names_stay_words() -> None:
    ((shell, flag, line),) = config(warm=["python:3.11; reboot"])["runcmd"]
    assert (shell, flag) == ("sh", "-c")
    words = shlex.split(line)
    assert words[0] == "setsid" and words[-1] == "&"
    inner = shlex.split(words[3])
    assert inner == [
        "/var/lib/portal/bootstrap.sh", "all;", "/var/lib/portal/bootstrap.sh", "warm", "python:3.11; reboot",
    ]  # fmt: skip
