"""Whether a key pair of AWS is a key that we hold: AWS has a different fingerprint for each sort of key."""

import base64
import hashlib

from cryptography.hazmat.primitives import serialization

from instances.clouds.base import KeyPair


def same_key(pair: KeyPair, public_line: str, private_text: str = "") -> bool:
    """Compare the public keys themselves where AWS gives them, else the fingerprints."""
    if pair.public_key.strip():
        return pair.public_key.split()[:2] == public_line.split()[:2]
    shown = pair.fingerprint.removeprefix("SHA256:").rstrip("=")
    return shown in fingerprints(public_line, private_text)


def fingerprints(public_line: str, private_text: str = "") -> set[str]:
    """Every form in which AWS may show this key."""
    blob = base64.b64decode(public_line.split()[1])
    public = serialization.load_ssh_public_key(public_line.encode())
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    shown = {
        base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="),
        base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("="),
        _colons(hashlib.md5(der, usedforsecurity=False).hexdigest()),
    }
    if private_text:
        shown.add(_of_private(private_text))
    return shown


def _of_private(private_text: str) -> str:
    """How AWS shows an RSA key that it made itself."""
    raw = private_text.encode()
    load = (
        serialization.load_ssh_private_key
        if "OPENSSH PRIVATE KEY" in private_text
        else serialization.load_pem_private_key
    )
    der = load(raw, password=None).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _colons(hashlib.sha1(der, usedforsecurity=False).hexdigest())


def _colons(digits: str) -> str:
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
