"""SSH keys as text, and how an instance becomes a target."""

import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from instances.hosts import keys
from instances.hosts.local import LocalHost
from instances.hosts.of import host_of, target_of
from instances.hosts.ssh import SSHHost
from instances.models import Instance
from instances.states import Kind


def keygen(tmp_path: Path, *options: str, passphrase: str = "") -> str:
    subprocess.run(
        ["ssh-keygen", "-q", *options, "-N", passphrase, "-f", tmp_path / "key"], check=True, timeout=30
    )
    return (tmp_path / "key").read_text()


def test_a_pair_is_what_openssh_reads(tmp_path: Path) -> None:
    pair = keys.make()
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(pair.private.reveal())
    public = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True)
    assert public.stdout.split()[:2] == pair.public.split()
    (tmp_path / "key.pub").write_text(pair.public)
    shown = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1] == keys.fingerprint(pair.public)
    assert pair.private.reveal() not in repr(pair)


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"), ("-t", "rsa", "-b", "2048"), ("-t", "rsa", "-b", "2048", "-m", "PEM"),
        ("-t", "rsa", "-b", "3072", "-m", "PKCS8"), ("-t", "ecdsa"), ("-t", "ecdsa", "-b", "521", "-m", "PEM"),
    ],
)  # fmt: skip
def test_keys_of_all_usual_kinds_are_taken(tmp_path: Path, options: tuple[str, ...]) -> None:
    text = keygen(tmp_path, *options)
    pair = keys.check_private_key("\r\n".join(text.strip().splitlines()))
    assert pair.public.split()[:2] == (tmp_path / "key.pub").read_text().split()[:2]
    assert keys.as_paramiko(pair.private).get_base64() == pair.public.split()[1]


@pytest.mark.parametrize(
    ("options", "passphrase", "code"),
    [
        (("-t", "rsa", "-b", "1024"), "", "weak"),
        (("-t", "ed25519"), "secret phrase", "passphrase"),
        (("-t", "rsa", "-m", "PEM"), "secret phrase", "passphrase"),
        (("-t", "ecdsa", "-m", "PKCS8"), "secret phrase", "passphrase"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(
    tmp_path: Path, options: tuple[str, ...], passphrase: str, code: str
) -> None:
    text = keygen(tmp_path, *options, passphrase=passphrase)
    with pytest.raises(ValidationError) as refused:
        keys.check_private_key(text)
    assert refused.value.code == code
    assert text.splitlines()[2] not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_key"), ("hello", "no_key"), ("x" * 100_000, "no_key"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG8CQCTc5cEImBsSobTyEcEnncwz/S4zBm/puwzC3/C8 me", "public"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "putty"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "no_key"),
    ],
)  # fmt: skip
def test_what_is_no_private_key_is_refused(text: str, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        keys.check_private_key(text)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 %%%", "ssh-ed25519 AAAA", "a b", "x y\nz w"]
)
def test_what_is_no_host_key_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no public host key"):
        keys.check_public_key(text)


def test_the_comment_of_a_host_key_is_left_out() -> None:
    public = keys.make().public
    assert keys.check_public_key(f"  {public} root@db1\n") == public


def server(**fields: object) -> Instance:
    pair = keys.make()
    made = Instance(
        kind=Kind.SERVER, ssh_host="10.0.0.5", ssh_user="deploy", host_keys=[pair.public], **fields
    )
    made.private_key = pair.private
    return made


def test_an_instance_has_one_host_until_its_address_changes() -> None:
    instance = server()
    first = host_of(instance)
    assert isinstance(first, SSHHost)
    assert host_of(instance) is first
    assert str(first.target) == "deploy@10.0.0.5:22"
    instance.ssh_host = "10.0.0.6"
    assert host_of(instance) is not first


def test_a_server_behind_another_knows_its_way() -> None:
    outer = server(pk=1)
    inner = server(pk=2, jump=outer)
    assert target_of(inner).jump == target_of(outer)


def test_this_machine_is_no_server() -> None:
    assert isinstance(host_of(Instance(kind=Kind.LOCAL)), LocalHost)
