"""SSH keys as OpenSSH text: made, checked, named by their fingerprint."""

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from django.core.exceptions import ValidationError

from portal.core.secrets import Secret

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

RSA_BITS = 2048
CURVES = {"secp256r1", "secp384r1", "secp521r1"}
KEY_CHARACTERS = 20_000
MAKE_ONE = "Make one with: ssh-keygen -t ed25519 -N ''."


@dataclass(frozen=True)
class KeyPair:
    """A private key as OpenSSH text and its public half as one line."""

    private: Secret
    public: str


def make() -> KeyPair:
    """A new Ed25519 pair, fit for a client and for a host."""
    return _pair(Ed25519PrivateKey.generate())


def fingerprint(public_line: str) -> str:
    """What `ssh-keygen -lf` prints of a public key: `SHA256:…`."""
    digest = hashlib.sha256(_blob(public_line)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def check_public_key(text: str) -> str:
    """Return a public key as `type base64`, without comment; refuse what is none."""
    words = text.split()
    try:
        if len(words) < 2 or len(text.strip().splitlines()) != 1:
            raise ValueError
        load_ssh_public_key(" ".join(words[:2]).encode())
        paramiko.PKey.from_type_string(words[0], _blob(text))
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        raise ValidationError(
            "This is no public host key. Paste one line such as `ssh-ed25519 AAAA…`, as "
            "/etc/ssh/ssh_host_ed25519_key.pub on the server holds it.",
            code="public_key",
        ) from None
    return " ".join(words[:2])


def check_private_key(text: str) -> KeyPair:
    """Take an uploaded key (OpenSSH or PEM, without passphrase); refuse what cannot or should not be used."""
    return _pair(_checked(text))


def public_half(private: Secret) -> str:
    """The public line of a private key."""
    return check_private_key(private.reveal()).public


def as_paramiko(private: Secret) -> paramiko.PKey:
    """The key as the SSH library wants it."""
    pair = check_private_key(private.reveal())
    kind = pair.public.split()[0]
    text = io.StringIO(pair.private.reveal())
    if kind == "ssh-ed25519":
        return paramiko.Ed25519Key.from_private_key(text)
    if kind == "ssh-rsa":
        return paramiko.RSAKey.from_private_key(text)
    return paramiko.ECDSAKey.from_private_key(text)


def _checked(text: str) -> PrivateKey:
    key = _load(text)
    if isinstance(key, RSAPrivateKey):
        if key.key_size < RSA_BITS:
            raise _refusal(
                f"This RSA key has {key.key_size} bits; {RSA_BITS} is the least. {MAKE_ONE}", "weak"
            )
    elif isinstance(key, EllipticCurvePrivateKey):
        if key.curve.name not in CURVES:
            raise _refusal(f"SSH knows no keys on the curve {key.curve.name}. {MAKE_ONE}", "kind")
    elif not isinstance(key, Ed25519PrivateKey):
        raise _refusal(f"Only Ed25519, ECDSA and RSA keys can be used. {MAKE_ONE}", "kind")
    return key


def _load(text: str) -> object:
    if not isinstance(text, str) or len(text) > KEY_CHARACTERS:
        raise _refusal(f"This is no private key: it is far too long. {MAKE_ONE}", "no_key")
    # Copied text often lacks the last line break, or has those of another system.
    data = "\n".join(line.strip() for line in text.strip().splitlines()).encode() + b"\n"
    _check_kind_of_file(data)
    openssh = b"BEGIN OPENSSH PRIVATE KEY" in data
    try:
        return load_ssh_private_key(data, None) if openssh else load_pem_private_key(data, None)
    except TypeError:
        raise _passphrase() from None
    except (ValueError, UnsupportedAlgorithm):
        raise _refusal(
            f"This private key cannot be read; perhaps a part is missing. Copy the whole file. {MAKE_ONE}",
            "no_key",
        ) from None


def _check_kind_of_file(data: bytes) -> None:
    if data.startswith((b"ssh-", b"ecdsa-")):
        raise _refusal("This is the public half. Upload the file without `.pub` in its name.", "public")
    if data.startswith(b"PuTTY-User-Key-File"):
        raise _refusal(
            "This is a key of PuTTY. Export it as an OpenSSH key (PuTTYgen, Conversions).", "putty"
        )
    if b"ENCRYPTED" in data:
        raise _passphrase()
    if b"PRIVATE KEY-----" not in data:
        raise _refusal(f"This is no private key: it must begin with -----BEGIN. {MAKE_ONE}", "no_key")


def _passphrase() -> ValidationError:
    return _refusal(
        "This key has a passphrase, which nobody is there to type. Make a copy without one "
        "(ssh-keygen -p -N '' -f COPY), or better a new key for the portal alone.",
        "passphrase",
    )


def _refusal(sentence: str, code: str) -> ValidationError:
    return ValidationError(sentence, code=code)


def _pair(key: PrivateKey) -> KeyPair:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(Secret(private.decode()), public.decode())


def _blob(public_line: str) -> bytes:
    try:
        return base64.b64decode(public_line.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("This is no public key.") from None
