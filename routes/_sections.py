"""The sections of the settings page, as its templates print them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meter import api_tokens, profile, sessions, whitelist
from meter.account import Deleted, preview_deletion
from meter.periods import read_zone
from models.queries.machines import MachineSeen, machines
from models.queries.scope import Scope
from models.queries.tokens import TokenRow, tokens
from routes import _format
from routes._auth import session_id, settings, viewer
from routes._browsers import browser_name
from routes._db import db
from routes._filters import Choice
from routes._format import When
from routes._said import Said
from routes._zones import zone_names

ONLINE, IDLE = timedelta(minutes=15), timedelta(hours=24)
ENTRIES = 50  # of the whitelist; the rest is counted
SESSIONS_OF = timedelta(days=30)
# (value, days, label) of when a token ends.
EXPIRIES = (("30", 30, "in 30 days"), ("90", 90, "in 90 days"), ("365", 365, "in a year"), ("never", None, "never"))
DEFAULT_EXPIRY = "90"


@dataclass(frozen=True)
class Profile:
    """What people choose for themselves."""

    name: str
    timezones: tuple[Choice, ...]
    themes: tuple[Choice, ...]
    has_shortcuts: bool


@dataclass(frozen=True)
class Machine:
    """A machine of the viewer. state: online, idle or offline."""

    name: str
    first_seen: When
    sessions: str
    last_heard: When | None
    state: str
    rename_action: str


@dataclass(frozen=True)
class Token:
    """An API token that works, or did until it ended."""

    label: str
    hint: str
    scopes: str
    made: When
    ends: When | None
    has_ended: bool
    last_used: When | None
    revoke_action: str


@dataclass(frozen=True)
class Tokens:
    """The viewer's tokens, and the form for another. `secret` is the one just made, in this answer only."""

    rows: tuple[Token, ...]
    label: str
    scopes: tuple[Choice, ...]
    expiries: tuple[Choice, ...]
    secret: str


@dataclass(frozen=True)
class Browser:
    """Somewhere the viewer is signed in; `is_program`: by a bearer secret instead of a cookie."""

    name: str
    is_program: bool
    ip: str
    since: When
    last_seen: When
    is_this: bool
    end_action: str


@dataclass(frozen=True)
class Entry:
    """An address or domain that may come in; one from the environment has neither date nor a way to remove it."""

    rule: str
    since: When | None
    remove_action: str


@dataclass(frozen=True)
class Whitelist:
    """Who may come in. `more` entries are not shown; they are removed by typing them."""

    rows: tuple[Entry, ...]
    rule: str
    more: int


@dataclass(frozen=True)
class Deletion:
    """What deleting oneself takes away, and what to type for it."""

    sentence: str
    phrase: str


def profile_section(said: Said) -> Profile:
    who = viewer()
    zone = said.typed_in("profile", "timezone", who.timezone)
    theme = said.typed_in("profile", "theme", who.theme)
    return Profile(
        name=said.typed_in("profile", "name", who.name),
        timezones=tuple(Choice(name, name, name == zone) for name in zone_names()),
        themes=tuple(Choice(name, name.capitalize(), name == theme) for name in profile.THEMES),
        has_shortcuts=who.has_shortcuts,
    )


def machine_section(now_at: datetime) -> tuple[Machine, ...]:
    found = machines(db(), Scope(viewer().id), now_at - SESSIONS_OF)
    return tuple(_machine(one, now_at, _zone()) for one in found)


def _machine(one: MachineSeen, now_at: datetime, zone: ZoneInfo) -> Machine:
    silent = now_at - one.last_heard_at if one.last_heard_at else None
    state = "offline" if silent is None or silent >= IDLE else "idle" if silent >= ONLINE else "online"
    return Machine(
        name=one.name,
        first_seen=_format.when(one.first_seen_at, now_at, zone),
        sessions=_format.count(one.sessions),
        last_heard=_format.when(one.last_heard_at, now_at, zone) if one.last_heard_at else None,
        state=state,
        rename_action=f"/settings/machines/{one.id}",
    )


def token_section(said: Said, now_at: datetime, secret: str = "") -> Tokens:
    found = tokens(db(), Scope(viewer().id))
    names = [name for name in api_tokens.SCOPES if name != api_tokens.EMBED and (name != "admin" or viewer().is_admin)]
    scope = said.typed_in("tokens", "scope", names[0])
    ends = said.typed_in("tokens", "expires", DEFAULT_EXPIRY)
    return Tokens(
        rows=tuple(_token(one, now_at, _zone()) for one in found if one.revoked_at is None),
        label=said.typed_in("tokens", "label"),
        scopes=tuple(Choice(name, name, name == scope) for name in names),
        expiries=tuple(Choice(value, label, value == ends) for value, _, label in EXPIRIES),
        secret=secret,
    )


def _token(one: TokenRow, now_at: datetime, zone: ZoneInfo) -> Token:
    return Token(
        label=one.label or "without a label",
        hint=one.hint,
        scopes=", ".join(one.scopes),
        made=_format.when(one.created_at, now_at, zone),
        ends=_format.when(one.expires_at, now_at, zone) if one.expires_at else None,
        has_ended=one.state(now_at) == "expired",
        last_used=_format.when(one.last_used_at, now_at, zone) if one.last_used_at else None,
        revoke_action=f"/settings/tokens/{one.id}/revoke",
    )


def browser_section(now_at: datetime) -> tuple[Browser, ...]:
    here, zone = session_id(), _zone()
    return tuple(
        Browser(
            name=browser_name(one.user_agent),
            is_program=one.kind == sessions.BEARER,
            ip=one.ip,
            since=_format.when(one.signed_in_at, now_at, zone),
            last_seen=_format.when(one.last_seen_at, now_at, zone),
            is_this=one.id == here,
            end_action=f"/settings/browsers/{one.id}/end",
        )
        for one in sessions.sessions_of(db(), viewer().id)
    )


def whitelist_section(said: Said, now_at: datetime) -> Whitelist:
    stored = whitelist.rules(db())
    rows = [Entry(rule, None, "") for rule in settings().allowed_emails]
    rows += [
        Entry(one.rule, _format.when(one.added_at, now_at, _zone()), "/settings/whitelist/remove") for one in stored
    ]
    return Whitelist(tuple(rows[:ENTRIES]), said.typed_in("whitelist", "rule"), max(0, len(rows) - ENTRIES))


def deletion_section() -> Deletion:
    return Deletion(f"Deletes {held(preview_deletion(db(), viewer().id))} and your account.", viewer().email)


def held(found: Deleted) -> str:
    """'130 sessions, 4,328 calls, 2 machines, 4 API tokens': what a person has, without what there is none of."""
    words = (("agent_session", "session"), ("call", "call"), ("machine", "machine"), ("api_token", "API token"))
    return ", ".join(_format.plural(found.of(table), word) for table, word in words if found.of(table)) or "no data"


def expiry(value: str) -> datetime | None:
    """When a token made now ends."""
    days = {name: days for name, days, _ in EXPIRIES}[value]
    return None if days is None else datetime.now(UTC) + timedelta(days=days)


def _zone() -> ZoneInfo:
    return read_zone(viewer().timezone)
