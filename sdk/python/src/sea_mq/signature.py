"""Signed requests, by the rules of Standard Webhooks: whoever knows a secret is a worker.

``webhook-id``, ``webhook-timestamp`` in Unix seconds, and in ``webhook-signature`` space-separated
``v1,BASE64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))``: one that fits is enough.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

# How far the clocks of worker and handler may be apart.
MOST_SECS_OFF = 300
SHORTEST_KEY_BYTES, LONGEST_KEY_BYTES = 24, 64

_PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def keys(secrets: Sequence[str]) -> list[bytes]:
    """The keys of secrets such as ``whsec_…``.

    Raises:
        ValueError: one is no secret; it says which by its place, and holds nothing of it.
    """
    return [_key(secret, place) for place, secret in enumerate(secrets, 1)]


def _key(secret: str, place: int) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not SHORTEST_KEY_BYTES <= len(key) <= LONGEST_KEY_BYTES:
        bounds = f"{SHORTEST_KEY_BYTES} to {LONGEST_KEY_BYTES} bytes"
        raise ValueError(f"secret {place} is none: write whsec_ and the base64 of {bounds}")
    return key


def secrets_from(environment: Mapping[str, str]) -> list[str]:
    """The secrets of ``HANDLER_SECRET`` or of the file ``HANDLER_SECRET_FILE``, parted by spaces; none when neither
    is set.

    Raises:
        ValueError: both are set, the file cannot be read, or it holds no secret.
    """
    here, file = environment.get("HANDLER_SECRET", ""), environment.get("HANDLER_SECRET_FILE", "")
    if here and file:
        raise ValueError("HANDLER_SECRET and HANDLER_SECRET_FILE are both set: choose one")
    if file:
        try:
            here = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            # Without the path: somebody may have put the secret itself there.
            raise ValueError(f"HANDLER_SECRET_FILE: the file cannot be read ({type(error).__name__})") from None
    found = here.split()
    if not found and (here or file):
        # Set, and yet nothing would be asked for: a handler that takes everybody's calls by mistake.
        raise ValueError(f"{'HANDLER_SECRET_FILE' if file else 'HANDLER_SECRET'}: holds no secret")
    keys(found)
    return found


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature, with its version."""
    return f"v1,{base64.b64encode(_mac(key, message_id.encode(), str(timestamp).encode(), body)).decode()}"


def why_refused(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """What is wrong with a request's signature; nothing when one of the keys made it within five minutes of ``now``."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not _TIMESTAMP.fullmatch(timestamp):
        return "the request is not signed; set the handler's secret at the worker, in HANDLER_SECRET"
    if abs(now - int(timestamp)) > MOST_SECS_OFF:
        return f"the signature's time is more than {MOST_SECS_OFF} s off; check the clocks"
    said = [it.removeprefix("v1,") for it in headers.get("webhook-signature", "").split() if it.startswith("v1,")]
    # Headers travel as latin-1.
    macs = [_mac(key, message_id.encode("latin-1", "replace"), timestamp.encode(), body) for key in keys]
    fits = [hmac.compare_digest(base64.b64encode(mac), it.encode()) for mac in macs for it in said]
    return None if any(fits) else "the request is signed by another secret; check HANDLER_SECRET of worker and handler"


def _mac(key: bytes, message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b".".join((message_id, timestamp, body)), hashlib.sha256)
