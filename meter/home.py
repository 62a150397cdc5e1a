"""The home folder, where the database file and the secret key live."""

import os
import sys
from pathlib import Path

from meter.errors import Invalid

CODE_ROOT = Path(__file__).resolve().parent.parent


def default_home() -> Path:
    """In a checkout its instance folder; for an installed package the user's data folder."""
    if (CODE_ROOT / "pyproject.toml").is_file():
        return CODE_ROOT / "instance"
    user = Path.home()
    if sys.platform == "darwin":
        return user / "Library" / "Application Support" / "agentmeter"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or user / "AppData" / "Local") / "agentmeter"
    return Path(os.environ.get("XDG_DATA_HOME") or user / ".local" / "share") / "agentmeter"


def prepare_home(home: Path) -> Path:
    """Make the home folder (0700) if it is missing. Raises Invalid naming AGENTMETER_HOME when that is not possible."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"AGENTMETER_HOME: cannot make {home}: {error.strerror}", field="AGENTMETER_HOME") from None
    return home


def kept_secret_key(home: Path) -> str:
    """The secret key kept in the home folder, made there at the first call; text of 64 characters.

    Two processes starting at once end with the same key: the file appears whole under its name or not at all,
    and only the first one wins. Raises Invalid when the file cannot be written or read.
    """
    path = prepare_home(home) / "secret_key"
    try:
        if not path.exists():
            _keep_new_key(path)
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not the text it was made with"
        raise Invalid(f"the secret key in {path}: {reason}", field="AGENTMETER_SECRET_KEY") from None


def _keep_new_key(path: Path) -> None:
    import secrets  # 10 ms; the commands that only read transcripts never come here

    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        draft.unlink()
