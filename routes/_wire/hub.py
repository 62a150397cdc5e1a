"""The promised bodies of family hub, letter by letter."""

from meter.audit import AuditEntry
from meter.setup import SetupState
from models.queries.people import PersonSeen
from models.queries.tokens import TokenRow
from routes._wire.times import iso

Json = dict[str, object]


def admin_token(row: TokenRow) -> Json:
    """A row of GET /api/admin/tokens; `scope` holds several parted by spaces, `hint` the first and last letters."""
    return {
        "id": row.id,
        "user": row.email,
        "scope": " ".join(row.scopes),
        "label": row.label,
        "hint": row.hint,
        "createdAt": iso(row.created_at),
        "expiresAt": iso(row.expires_at),
        "revokedAt": iso(row.revoked_at),
        "lastUsedAt": iso(row.last_used_at),
    }


def admin_tokens(rows: tuple[TokenRow, ...]) -> Json:
    """GET /api/admin/tokens"""
    return {"tokens": [admin_token(row) for row in rows]}


def new_admin_token(text: str, row: TokenRow) -> Json:
    """POST /api/admin/tokens; the only time the token itself is told."""
    return {"token": text, **admin_token(row)}


def setup_status(state: SetupState, *, shows_all: bool) -> Json:
    """GET /api/setup/status; whoever is no admin learns only whether it is complete."""
    seen = state if shows_all else SetupState()
    return {
        "complete": state.is_complete,
        "scenario": seen.scenario,
        "infra": seen.infra,
        "completedAt": iso(seen.completed_at),
        "headless": seen.is_headless if seen.is_complete else None,
    }


def audit_entry(entry: AuditEntry) -> Json:
    """A row of GET /api/admin/audit; `ts` in seconds. `id` and `target` are additions of ours."""
    return {
        "ts": int(entry.at.timestamp()),
        "tokenId": entry.token_id,
        "action": entry.action,
        "user": entry.user,
        "ip": entry.ip or None,
        "meta": entry.meta,
        "id": entry.id,
        "target": entry.target or None,
    }


def audit(entries: tuple[AuditEntry, ...]) -> Json:
    """GET /api/admin/audit"""
    return {"entries": [audit_entry(entry) for entry in entries]}


def people(rows: tuple[PersonSeen, ...]) -> Json:
    """`agentmeter user list --json`"""
    return {
        "people": [
            {
                "id": row.id,
                "email": row.email,
                "name": row.name,
                "role": row.role,
                "disabled": row.disabled_at is not None,
                "machines": row.machines,
                "createdAt": iso(row.created_at),
                "lastSeenAt": iso(row.last_seen_at),
            }
            for row in rows
        ]
    }
