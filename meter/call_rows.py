"""The row of a call: its columns, the draft it stands for, what it adds to the sums."""

from typing import Any

from meter.logs.drafts import CallDraft

# Where calls come from, and how fine each source is: the smallest rank that spoke of a session counts for it.
TRANSCRIPT, GATEWAY, MESSAGES, OTLP, EVENT, UPLOAD = range(6)
RANK = {TRANSCRIPT: 0, GATEWAY: 0, MESSAGES: 0, OTLP: 1, EVENT: 2, UPLOAD: 3}

CALL_COLUMNS = (
    ("owner_id", "bigint"),
    ("call_key", "text"),
    ("at_ms", "bigint"),
    ("agent_session_id", "bigint"),
    ("machine_id", "bigint"),
    ("project_id", "bigint"),
    ("llm_model_id", "bigint"),
    ("input_tokens", "bigint"),
    ("output_tokens", "bigint"),
    ("cache_read_tokens", "bigint"),
    ("cache_write_5m_tokens", "bigint"),
    ("cache_write_1h_tokens", "bigint"),
    ("web_searches", "bigint"),
    ("cost_nanousd", "bigint"),
    ("rate_id", "bigint"),
    ("client_cost_nanousd", "bigint"),
    ("stated_5m_tokens", "bigint"),
    ("stated_write_tokens", "bigint"),
    ("speed", "text"),
    ("service_tier", "text"),
    ("inference_geo", "text"),
    ("source", "bigint"),
    ("is_superseded", "bigint"),
    ("is_sidechain", "bigint"),
    ("is_copy", "bigint"),
    ("request_id", "text"),
    ("agent_id", "text"),
    ("git_branch", "text"),
    ("stop_reason", "text"),
    ("tools", "text"),
    ("received_ms", "bigint"),
)
PLACE = {name: index for index, (name, _) in enumerate(CALL_COLUMNS)}
UNPRICED = (0, 1)  # cost and unpriced calls of a call whose model has no price and whose client named none


def draft_of(row: tuple[Any, ...]) -> CallDraft:
    """The draft that a stored call stands for: the stated counts, not the derived ones."""
    at = PLACE
    *call, session_key, machine_key, project_key, path, llm_model = row
    return CallDraft(
        call[at["call_key"]],
        call[at["at_ms"]],
        session_key,
        machine_key,
        project_key,
        path,
        llm_model,
        (
            *call[at["input_tokens"] : at["cache_write_5m_tokens"]],
            call[at["stated_5m_tokens"]],
            call[at["cache_write_1h_tokens"]],
            call[at["stated_write_tokens"]],
            call[at["web_searches"]],
        ),
        *(
            call[at[name]]
            for name in (
                "client_cost_nanousd",
                "speed",
                "service_tier",
                "inference_geo",
                "is_sidechain",
                "is_copy",
                "request_id",
                "agent_id",
                "git_branch",
            )
        ),
        "",
        call[at["stop_reason"]],
        known_tools(call[at["tools"]]),
    )


def known_tools(text: str) -> dict[str, str] | None:
    """Tail of the id -> name, from the text in a call row; None without any."""
    return dict(use.split(" ", 1) for use in text.split("\n")) if text else None


def sums_of(row: tuple[Any, ...]) -> tuple[int, ...]:
    """What a stored call adds to the sums."""
    at = PLACE
    unpriced = 1 if row[at["rate_id"]] is None and row[at["client_cost_nanousd"]] is None else 0
    return (1, *row[at["input_tokens"] : at["cost_nanousd"] + 1], unpriced)


def tools_text(tools: dict[str, str]) -> str:
    """The text that `known_tools` reads: one use a line, in an order that does not depend on when they were seen."""
    return "\n".join([f"{tail} {name}" for tail, name in sorted(tools.items())])
