"""Half a year of a small invented team, for looking at Agentmeter before there is anything real to look at.

Six people, seven machines, eight projects; more from month to month, little at weekends, office hours in each person's
own zone. The same seed and day give the same calls. Prices are not made up: the calls go through the writer like any.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

from meter.logs.drafts import TOOL_ID_TAIL, CallDraft, call_key
from meter.names import folder_name

DAYS = 184
HOUR_MS = 3_600_000
CLAUDE_CODE, CODEX, GEMINI_CLI = "claude-code", "codex", "gemini"
UNPRICED_MODEL = "qwen4-coder-next"
ID_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
TOOLS = ("Bash", "Read", "Edit", "Grep", "Glob", "Write", "TodoWrite", "WebFetch", "mcp__github__get_issue")
TOOL_WEIGHTS = (30, 28, 20, 10, 6, 5, 4, 2, 1)
BRANCHES = ("main", "feature/search", "feature/invoices", "fix/timeouts", "refactor/api", "release")


@dataclass(frozen=True, slots=True)
class Person:
    """One of the team. weight: sessions on an ordinary weekday at the end of the half year; zone_hours: UTC offset."""

    name: str
    email: str
    machines: tuple[str, ...]
    projects: tuple[str, ...]
    weight: float
    zone_hours: int
    joined_share: float = 0.0  # of the half year
    away_share: float = 0.5  # a week off begins here
    fast_share: float = 0.0
    others_share: float = 0.12  # of sessions with a model that is not Claude


TEAM = (
    Person("Ada Lindqvist", "ada@example.com", ("ada-macbook", "ada-workstation"),
           ("checkout-api", "infra", "data-pipeline"), 3.2, 1, away_share=0.31),
    Person("Ben Okafor", "ben@example.com", ("ben-thinkpad",), ("web-storefront", "design-system"), 2.3, 0,
           away_share=0.62),
    Person("Cyd Marchetti", "cyd@example.com", ("cyd-macbook",), ("mobile-app", "checkout-api"), 2.1, 1,
           away_share=0.44, others_share=0.3),
    Person("Dana Novak", "dana@example.com", ("dana-linux",), ("data-pipeline", "billing-service"), 2.4, 2,
           away_share=0.75, others_share=0.25),
    Person("Eli Tanaka", "eli@example.com", ("eli-desktop",), ("billing-service", "infra"), 2.0, 1,
           away_share=0.52, fast_share=0.22),
    Person("Fay Castellanos", "fay@example.com", ("fay-macbook",), ("docs-site", "web-storefront"), 1.8, -4,
           joined_share=0.4, away_share=0.85),
)  # fmt: skip

# (until this share of the half year, main model, weight); a subagent's model stands beside it
CLAUDE_MODELS = (
    (0.45, (("claude-opus-5", "claude-haiku-4-5-20251001", 5), ("claude-sonnet-5", "claude-haiku-4-5-20251001", 4))),
    (0.75, (("claude-opus-5-5", "claude-haiku-4-5-20251001", 5), ("claude-sonnet-5", "claude-haiku-4-5-20251001", 3))),
    (1.01, (("claude-opus-5-5", "claude-haiku-5-5", 6), ("claude-sonnet-5-5", "claude-haiku-5-5", 4))),
)
OTHER_MODELS = ((CODEX, "gpt-5.6-sol", 5), (GEMINI_CLI, "gemini-3.8-flash", 3), (CLAUDE_CODE, UNPRICED_MODEL, 1))


@dataclass(frozen=True, slots=True)
class DemoCall:
    """One call as an agent would have logged it. Tools are (tool-use id, name); at_ms is epoch milliseconds UTC."""

    owner_email: str
    owner_name: str
    agent: str
    machine: str
    project_path: str
    session_key: str
    message_id: str
    request_id: str
    at_ms: int
    llm_model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    web_searches: int
    speed: str
    tools: tuple[tuple[str, str], ...]
    is_sidechain: bool
    agent_id: str
    git_branch: str
    agent_version: str

    def draft(self) -> CallDraft:
        """The call as readers hand it to the writer."""
        writes = (self.cache_write_5m_tokens, self.cache_write_1h_tokens)
        counts = (
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            *writes,
            sum(writes),
            self.web_searches,
        )
        return CallDraft(
            call_key=call_key(self.message_id, self.session_key, self.request_id, self.at_ms, self.llm_model, counts),
            at_ms=self.at_ms,
            session_key=self.session_key,
            machine_key=self.machine,
            project_key=folder_name(self.project_path),
            project_path=self.project_path,
            llm_model=self.llm_model,
            counts=counts,
            speed=self.speed,
            is_sidechain=int(self.is_sidechain),
            request_id=self.request_id,
            agent_id=self.agent_id,
            git_branch=self.git_branch,
            agent_version=self.agent_version,
            tools={tool_id[-TOOL_ID_TAIL:]: name for tool_id, name in self.tools},
        )


def demo_calls(end_on: date, *, until_hour: int = 24, seed: int = 1) -> Iterator[DemoCall]:
    """The calls of the `DAYS` days that end on `end_on`, oldest first; of that last day only before `until_hour` UTC.

    `until_hour` (0..24) changes nothing about the calls before it.
    """
    for day_number in range(DAYS):
        day = end_on - timedelta(DAYS - 1 - day_number)
        hours = until_hour if day == end_on else 24
        end_ms = _ms(day) + hours * HOUR_MS
        calls = [
            call
            for person in TEAM
            for call in _day_of(person, day, day_number / (DAYS - 1), seed)
            if call.at_ms < end_ms
        ]
        yield from sorted(calls, key=lambda call: call.at_ms)


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _day_of(person: Person, day: date, share: float, seed: int) -> Iterator[DemoCall]:
    """A person's calls of one day, session after session; share: how far into the half year the day is."""
    away = person.away_share <= share < person.away_share + 7 / DAYS
    if share < person.joined_share or away:
        return
    chance = Random(f"{seed}/{day}/{person.email}")
    expected = person.weight * (0.4 + 0.6 * share) * (0.1 if day.weekday() > 4 else 1.0)
    for _ in range(round(max(0.0, chance.gauss(expected, 0.45 + expected / 4)))):
        local_hour = chance.choice((chance.gauss(10.3, 1.2), chance.gauss(15.2, 1.6)))
        start_ms = _ms(day) + int((local_hour - person.zone_hours) * HOUR_MS)
        yield from _Session(person, share, max(start_ms, _ms(day)), chance).calls()


class _Session:
    """One sitting: a growing context that is written to the cache, read back, and now and then compacted."""

    def __init__(self, person: Person, share: float, start_ms: int, chance: Random) -> None:
        self.person, self.chance, self.at_ms = person, chance, start_ms
        self.key = str(UUID(int=chance.getrandbits(128), version=4))
        self.project_path = "/src/" + chance.choices(person.projects, (5, 3, 2)[: len(person.projects)])[0]
        self.machine = chance.choices(person.machines, (4, 1)[: len(person.machines)])[0]
        self.branch = chance.choice(BRANCHES)
        self.side_model = ""
        if chance.random() < person.others_share:
            self.agent, self.model, _ = chance.choices(OTHER_MODELS, [weight for *_, weight in OTHER_MODELS])[0]
        else:
            models = next(models for until, models in CLAUDE_MODELS if share < until)
            self.agent = CLAUDE_CODE
            self.model, self.side_model, _ = chance.choices(models, [weight for *_, weight in models])[0]
        self.speed = "fast" if "opus" in self.model and chance.random() < person.fast_share else ""
        self.version = {CLAUDE_CODE: f"2.1.{150 + int(share * 178)}", CODEX: f"0.{90 + int(share * 40)}.0"}.get(
            self.agent, "0.31.2"
        )

    def calls(self) -> Iterator[DemoCall]:
        chance = self.chance
        context_tokens, cached_tokens = chance.randrange(14_000, 26_000), 0
        for _ in range(3 + int(chance.expovariate(1 / 17))):
            self.at_ms += 4_000 + int(chance.expovariate(1 / 38_000))
            yield self._call(self.model, context_tokens - cached_tokens, cached_tokens, self.at_ms)
            cached_tokens = context_tokens
            context_tokens += 150 + int(chance.expovariate(1 / 1_700))
            if context_tokens > 165_000:
                context_tokens, cached_tokens = 28_000, 15_000
            if self.side_model and chance.random() < 0.035:
                yield from self._subagent()

    def _subagent(self) -> Iterator[DemoCall]:
        """A helper with its own, smaller context; it runs while the session goes on."""
        chance = self.chance
        agent_id = f"{chance.getrandbits(28):07x}"
        context_tokens, cached_tokens, at_ms = chance.randrange(6_000, 12_000), 0, self.at_ms
        for _ in range(2 + int(chance.expovariate(1 / 5))):
            at_ms += 2_000 + int(chance.expovariate(1 / 9_000))
            yield self._call(self.side_model, context_tokens - cached_tokens, cached_tokens, at_ms, agent_id)
            cached_tokens = context_tokens
            context_tokens += 400 + int(chance.expovariate(1 / 2_500))

    def _call(self, llm_model: str, new_tokens: int, cached_tokens: int, at_ms: int, agent_id: str = "") -> DemoCall:
        chance = self.chance
        writes_cache = llm_model.startswith("claude-")
        uncached_tokens = chance.randrange(2, 14) if writes_cache else new_tokens
        written_tokens = new_tokens if writes_cache else 0
        return DemoCall(
            owner_email=self.person.email,
            owner_name=self.person.name,
            agent=self.agent,
            machine=self.machine,
            project_path=self.project_path,
            session_key=self.key,
            message_id=self._id("resp_" if self.agent == CODEX else "msg_01"),
            request_id=self._id("req_011"),
            at_ms=at_ms,
            llm_model=llm_model,
            input_tokens=uncached_tokens,
            output_tokens=20 + int(chance.lognormvariate(5.6, 1.1)),
            cache_read_tokens=cached_tokens,
            cache_write_5m_tokens=written_tokens if agent_id else 0,
            cache_write_1h_tokens=0 if agent_id else written_tokens,
            web_searches=chance.randrange(1, 4) if writes_cache and chance.random() < 0.008 else 0,
            speed="" if agent_id else self.speed,
            tools=self._tools(),
            is_sidechain=bool(agent_id),
            agent_id=agent_id,
            git_branch=self.branch,
            agent_version=self.version,
        )

    def _tools(self) -> tuple[tuple[str, str], ...]:
        names = self.chance.choices(TOOLS, TOOL_WEIGHTS, k=self.chance.choices((0, 1, 2, 3), (22, 60, 13, 5))[0])
        return tuple((self._id("toolu_01"), name) for name in names)

    def _id(self, prefix: str) -> str:
        return prefix + "".join(self.chance.choices(ID_LETTERS, k=22))
