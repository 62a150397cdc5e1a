"""The secret keys of the installation: the newest signs, older ones are still believed."""

import hashlib
import hmac

from meter.home import kept_secret_key
from meter.settings import Settings


def secret_keys(settings: Settings) -> tuple[str, ...]:
    """The newest key first, then those of before (AGENTMETER_SECRET_KEY_FALLBACKS); never empty.

    Raises Invalid when the kept key cannot be written or read.
    """
    return (settings.secret_key or kept_secret_key(settings.home), *settings.secret_key_fallbacks)


def key_for(purpose: str, secret_key: str) -> bytes:
    """32 bytes for one purpose: what is signed for one can never pass for another."""
    return hmac.digest(secret_key.encode(), f"agentmeter {purpose}".encode(), "sha256")


def hash_of(secret: str) -> str:
    """What is stored of a secret: SHA-256, hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
