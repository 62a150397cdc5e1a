"""The settings: one frozen record, read once from the environment, every knob declared once.

meter/settings_table.py makes docs/config.md and `agentmeter config` from the same declarations. Standard library
only: `agentmeter sync` reads settings before anything heavy is imported.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from meter.emails import checked_rule
from meter.errors import Invalid
from meter.home import default_home

PREFIX = "AGENTMETER_"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
SHORTEST_SECRET_KEY = 32
SMTP_TLS = ("auto", "starttls", "on", "off")
# Read by the tests and benchmarks only; not settings of the program, and no typing mistakes either.
TEST_PREFIXES = ("AGENTMETER_TEST_", "AGENTMETER_SHARED", "AGENTMETER_REQUIRE_ALL")


def knob(read: Callable[[str], Any], default: str, help: str, *, secret: bool = False, has_prefix: bool = True) -> Any:
    """Declare one setting: how its text is read, the default as text ('' = unset), and one line of help.

    A secret is masked wherever settings are shown and may also come from the file that NAME_FILE names.
    has_prefix False: its name in the environment does not begin with AGENTMETER_, because a contract spells it so.
    """
    return field(metadata={"read": read, "default": default, "help": help, "secret": secret, "has_prefix": has_prefix})


def _home(text: str) -> Path:
    return Path(text).expanduser() if text else default_home()


def _roots(text: str) -> tuple[Path, ...]:
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _database_url(text: str) -> str:
    if text and not text.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    return text


def _bind(text: str) -> str:
    parse_bind(text)
    return text


def _public_url(text: str) -> str:
    if not text:
        return ""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a web address such as https://meter.example.com")
    if parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be scheme, host and port only, without user, path or query")
    _check_port(parts)
    return f"{parts.scheme}://{parts.netloc}"


def _check_port(parts: SplitResult) -> None:
    try:
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        raise ValueError("has a port outside 0..65535") from None


def _secret_key(text: str) -> str:
    if text and (len(text) < SHORTEST_SECRET_KEY or len(set(text)) < 8):
        raise ValueError(f"must be at least {SHORTEST_SECRET_KEY} random characters; leave it unset to have one made")
    return text


def _secret_keys(text: str) -> tuple[str, ...]:
    return tuple(_secret_key(part.strip()) for part in text.split(",") if part.strip())


def _jwks_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES):
        raise ValueError("must begin with https://")
    return text


def _smtp_url(text: str) -> str:
    if text:
        parts = urlsplit(text)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError("must be an address such as smtp://user:password@mail.example.com:587?tls=starttls")
        if parts.query not in ("", *(f"tls={mode}" for mode in SMTP_TLS)):
            raise ValueError(f"takes tls= with one of {', '.join(SMTP_TLS)}, and nothing else")
        _check_port(parts)
    return text


def _redis_url(text: str) -> str:
    if text and not text.startswith(("redis://", "rediss://", "redis+unix://")):
        raise ValueError("must begin with redis://, rediss:// or redis+unix://")
    return text


def _email_rules(text: str) -> tuple[str, ...]:
    try:
        return tuple(checked_rule(part) for part in text.split(",") if part.strip())
    except Invalid:
        raise ValueError("must be addresses and @domains, parted by commas") from None


def _is_on(text: str) -> bool:
    if text not in ("", "0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _email(text: str) -> str:
    if text and (text.count("@") != 1 or text.startswith("@") or text.endswith("@") or not text.isprintable()):
        raise ValueError("must be an e-mail address")
    return text


def zone_name(text: str) -> str:
    """The name of a time zone, as given. ValueError when there is no such zone."""
    if text != "UTC":
        from zoneinfo import ZoneInfo  # 5 ms, and most installations leave this at UTC

        try:
            ZoneInfo(text)
        except (KeyError, OSError, ValueError):
            raise ValueError("must be a time zone name such as Europe/Berlin") from None
    return text


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Settings:
    """Every knob, validated. Names in the environment are the field names in capitals, most of them after AGENTMETER_.

    It has no repr on purpose: secrets must not reach a log by accident.
    """

    home: Path = knob(
        _home,
        "",
        "Folder of the database file and the secret key. Unset: instance/ in a checkout, else the user's data folder.",
    )
    database_url: str = knob(
        _database_url,
        "",
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. Unset: agentmeter.db in the home folder.",
        secret=True,
    )
    secret_key: str = knob(
        _secret_key,
        "",
        "Signs cookies, login links and access tokens; 32 random characters or more. "
        "Unset: made at the first start and kept in the home folder, readable by its owner only.",
        secret=True,
    )
    secret_key_fallbacks: tuple[str, ...] = knob(
        _secret_keys,
        "",
        "Secret keys of before, parted by commas: AGENTMETER_SECRET_KEY signs, what these signed is still accepted.",
        secret=True,
    )
    public_url: str = knob(
        _public_url,
        "",
        "The address people open, such as https://meter.example.com. Links are built from it, and only from it. "
        "Unset: the bind address.",
    )
    bind: str = knob(_bind, "127.0.0.1:6387", "HOST:PORT to listen on; [::1]:6387 for IPv6; port 0 takes a free one.")
    log_roots: tuple[Path, ...] = knob(
        _roots,
        "",
        "Folders with agents' transcripts, parted by ':' (on Windows ';'). Unset: where this user's agents keep them.",
    )
    transcript_text: str = knob(
        _one_of("off", "file", "keep"),
        "file",
        "Where a session page takes its text from: off = nowhere, file = the transcript while it exists, "
        "keep = a copy in the database.",
    )
    owner: str = knob(
        _email, "", "E-mail of the person whom this machine's transcripts are booked to. Unset: the first admin."
    )
    timezone: str = knob(zone_name, "UTC", "Time zone of people who have not chosen one, such as Europe/Berlin.")
    threads: int = knob(_whole(4, 1024), "64", "Requests answered at the same time, streams not counted.")
    streams: int = knob(_whole(0, 10_000), "500", "Open live streams at the same time; each has a thread of its own.")
    proxies: int = knob(
        _whole(0, 8),
        "0",
        "Reverse proxies in front whose X-Forwarded-For is to be believed for the caller's address.",
    )
    rate_limits: str = knob(
        _one_of("on", "off"), "on", "off lets load tests through unhindered; refused unless bound to loopback."
    )
    redis_url: str = knob(
        _redis_url,
        "",
        "redis://HOST:PORT/NUMBER where all processes count tries together. Unset: they count in the database, "
        "and one process alone on SQLite in its memory.",
        secret=True,
    )
    workers: int = knob(
        _whole(1, 64), "1", "Server processes. Several share the counts of tries; best with PostgreSQL."
    )
    smtp_url: str = knob(
        _smtp_url,
        "",
        "smtp://USER:PASSWORD@HOST:PORT or smtps://… of the mail server that login links leave by. ?tls=starttls and "
        "?tls=on insist on encryption, off does without; auto encrypts where offered, and never sends a password in "
        "the clear to another machine. Unset: links are printed on the server's terminal.",
        secret=True,
    )
    mail_from: str = knob(
        _email, "", "Address that mail comes from. Unset: the user of AGENTMETER_SMTP_URL or agentmeter@ this host."
    )
    allowed_emails: tuple[str, ...] = knob(
        _email_rules,
        "",
        "Who may sign in, besides the people added here: addresses and @domains, parted by commas.",
    )
    auth_uniform: bool = knob(
        _is_on,
        "0",
        "1 answers POST /api/auth alike for everybody, so that it does not tell which addresses may sign in.",
        has_prefix=False,
    )
    team_visibility: str = knob(
        _one_of("own", "open"),
        "own",
        "Whether members see names in rankings: own = only their own, open = everybody's. Admins always do.",
        has_prefix=False,
    )
    apple_audience: str = knob(
        str,
        "",
        "Client id of the app whose Apple identity tokens are accepted for alerts. Unset: none are.",
        has_prefix=False,
    )
    apple_issuer: str = knob(
        str, "https://appleid.apple.com", "Who must have issued an Apple identity token.", has_prefix=False
    )
    apple_jwks_url: str = knob(
        _jwks_url,
        "https://appleid.apple.com/auth/keys",
        "Where the public keys of Apple identity tokens are; https, or http on this machine.",
        has_prefix=False,
    )

    @property
    def bind_host(self) -> str:
        return parse_bind(self.bind)[0]

    @property
    def bind_port(self) -> int:
        return parse_bind(self.bind)[1]

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.bind_host in LOOPBACK_NAMES

    @property
    def base_url(self) -> str:
        """Scheme, host and port that links begin with; no slash at the end."""
        if self.public_url:
            return self.public_url
        host = "127.0.0.1" if self.bind_host in ("0.0.0.0", "::") else self.bind_host
        return f"http://[{host}]:{self.bind_port}" if ":" in host else f"http://{host}:{self.bind_port}"

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def parse_bind(text: str) -> tuple[str, int]:
    """'127.0.0.1:6387' or '[::1]:6387' -> host without brackets, port 0..65535. ValueError otherwise."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or host != host.strip() or not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:6387 or [::1]:6387")
    return host, int(port)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read all settings. An empty variable counts as unset.

    Raises Invalid naming the knob (`field`) on a value that cannot be used, on NAME together with NAME_FILE,
    and on rate_limits=off where others than this machine can connect.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for item in fields(Settings):
        name = environment_name(item)
        text = _given(item, environ) or item.metadata["default"]
        try:
            values[item.name] = item.metadata["read"](text)
        except ValueError as error:
            raise Invalid(f"{name} {error}", field=name) from None
    if not values["database_url"]:
        values["database_url"] = f"sqlite:///{values['home'] / 'agentmeter.db'}"
    settings = Settings(**values)
    if settings.rate_limits == "off" and not settings.is_local:
        name = PREFIX + "RATE_LIMITS"
        raise Invalid(f"{name} off is refused while {PREFIX}BIND is not a loopback address", field=name)
    return settings


def environment_name(item: "Field[Any]") -> str:
    name = item.name.upper()
    return PREFIX + name if item.metadata["has_prefix"] else name


def _given(item: "Field[Any]", environ: Mapping[str, str]) -> str:
    """The text of one knob from NAME or, for a secret, from the file NAME_FILE; '' when neither is set."""
    name = environment_name(item)
    text = environ.get(name, "")
    file_name = environ.get(name + "_FILE", "") if item.metadata["secret"] else ""
    if not file_name:
        return text
    if text:
        raise Invalid(f"{name} and {name}_FILE are both set; keep one", field=name)
    try:
        return Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Invalid(f"{name}_FILE: cannot read {file_name}: {reason}", field=name + "_FILE") from None


def unknown_names(environ: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Names in the environment that look like settings but are none, each with the nearest that is one, or ''."""
    environ = os.environ if environ is None else environ
    known = set()
    for item in fields(Settings):
        known.add(environment_name(item))
        if item.metadata["secret"]:
            known.add(environment_name(item) + "_FILE")
    ours = (name for name in environ if name.startswith(PREFIX) and not name.startswith(TEST_PREFIXES))
    strange = sorted(set(ours) - known)
    if not strange:
        return []
    import difflib  # 7 ms, needed only here

    return [(name, next(iter(difflib.get_close_matches(name, sorted(known), n=1)), "")) for name in strange]
