"""Model names as agents write them, and the one spelling each is priced under. Standard library only, no `re`.

One model travels under many names: `claude-opus-4-6[1m]`, `us.anthropic.claude-opus-4-6-v1:0`,
`claude-opus-4-6@20260205`, `anthropic/claude-opus-4.6`. Only decoration is taken off, never a version:
`claude-opus-5-5` is not `claude-opus-5`.
"""

SYNTHETIC = "<synthetic>"  # Claude Code's own error texts; no call was made

CLAUDE_FAMILIES = ("opus", "sonnet", "haiku", "fable", "mythos")
MAKERS = (  # the maker, and how names of its models begin
    ("openai", ("gpt-", "chatgpt-", "codex-", "o1", "o3", "o4", "text-embedding-", "text-davinci-")),
    ("google", ("gemini-", "gemma-")),
    ("mistral", ("mistral", "ministral", "magistral", "codestral", "devstral", "mixtral", "pixtral", "voxtral",
                 "open-mistral", "open-mixtral")),
    ("deepseek", ("deepseek",)),
    ("x-ai", ("grok",)),
    ("moonshotai", ("kimi", "moonshot")),
    ("zhipuai", ("glm-",)),
    ("minimax", ("minimax", "m2-her")),
    ("qwen", ("qwen", "qwq")),
    ("meta", ("llama", "muse-")),
    ("cohere", ("command-", "c4ai-")),
)  # fmt: skip
FAMILY_OF_MAKER = {"openai": "gpt", "google": "gemini", "mistral": "mistral"}

# What may stand before a maker's own model name without changing who charges what for it.
ROUTES = frozenset({
    "anthropic", "openai", "google", "mistral", "mistralai", "deepseek", "x-ai", "xai", "moonshotai", "moonshot",
    "zhipuai", "minimax", "cohere", "openrouter", "azure", "azure_ai", "vertex_ai", "gemini", "models",
})  # fmt: skip
_HOST_SPELLINGS = {  # other people's prefix -> the provider's id in the price list
    "together_ai": "together", "fireworks_ai": "fireworks", "bedrock": "aws", "z-ai": "zai",
    "github_copilot": "github-copilot",
}  # fmt: skip


def normalise(model_name: str) -> str:
    """The name a model is priced under: lower case, without route, context mark, speed mark and date.

    'us.anthropic.claude-sonnet-4-5-20250929-v1:0' -> 'claude-sonnet-4-5', 'openai/gpt-5.2-2025-12-11' -> 'gpt-5.2',
    'Claude-3.7-Sonnet-latest' -> 'claude-3-7-sonnet'. A host's own name ('groq/llama-3.3-70b') keeps its host.
    """
    return spellings(model_name)[-1]


def spellings(model_name: str) -> tuple[str, ...]:
    """The names to look up in the price list, the most exact first, `normalise` last.

    A dated name comes before the undated one because some dated snapshots have a price of their own.
    """
    name = "-".join(model_name.lower().split())
    if is_claude(name):
        return (_claude(name),)
    host, slash, rest = name.partition("/")
    if slash and host in _HOST_SPELLINGS:
        name = f"{_HOST_SPELLINGS[host]}/{rest}"
    tail = _without_routes(name)
    if "@" in tail[1:]:
        tail = tail.replace("@", "-")
    return tuple(dict.fromkeys((name, tail, _undated(tail))))


def is_claude(model_name: str) -> bool:
    """Whether a (lower case) name is one of Anthropic's: 'claude' begins its last part, whatever the route."""
    return _claude_tail(model_name).startswith("claude")


def family_of(model_name: str) -> str:
    """'opus', 'sonnet', 'haiku', 'fable', 'mythos', 'gpt' (o1, o3, o4, codex too), 'gemini', 'mistral' or 'other'."""
    name = normalise(model_name)
    if name.startswith("claude"):
        return next((family for family in CLAUDE_FAMILIES if family in name.split("-")), "other")
    return FAMILY_OF_MAKER.get(provider_of(model_name), "other")


def provider_of(model_name: str) -> str:
    """Who makes the model, as the price list calls them ('anthropic', 'openai', 'google', ...); '' if unknown."""
    name = normalise(model_name)
    if name.startswith("claude"):
        return "anthropic"
    tail = name.rpartition("/")[2]
    return next((maker for maker, starts in MAKERS if tail.startswith(starts)), "")


def says_fast(model_name: str) -> bool:
    """Whether a Claude name asks for fast mode ('claude-opus-4-6-fast'). Elsewhere '-fast' is part of the name."""
    tail = _claude_tail(model_name.strip().lower())
    return tail.startswith("claude") and "fast" in _plain(tail).split("-")


def is_bedrock_regional(model_name: str) -> bool:
    """Whether a name is Bedrock's for serving from one region or group of regions ('eu.anthropic.claude-...').

    'global.anthropic.claude-...' may be served from anywhere and is not.
    """
    name = model_name.strip().lower().rpartition("/")[2]
    area, anthropic, model = name.partition("anthropic.")
    return bool(anthropic) and model.startswith("claude") and area != "global."


def _claude_tail(name: str) -> str:
    tail = name.rpartition("/")[2]
    return tail.partition("anthropic.")[2] or tail


def _claude(name: str) -> str:
    tail = _plain(_claude_tail(name)).replace(".", "-")
    while (shorter := _without_date(tail).removesuffix("-fast")) != tail or _ends_in_revision(tail):
        tail = shorter if shorter != tail else tail[:-3]
    return _in_usual_order(tail)


def _ends_in_revision(name: str) -> bool:
    return name[-3:-1] == "-v" and name[-1:].isdigit() and name.count("-") > 1  # Bedrock's -v1, never 'claude-v1'


def _in_usual_order(name: str) -> str:
    """'claude-4-5-haiku' -> 'claude-haiku-4-5', 'claude-sonnet-3-7' -> 'claude-3-7-sonnet', '...-4-0' -> '...-4'."""
    words = name.split("-")[1:]
    families = [word for word in words if word in CLAUDE_FAMILIES]
    numbers = [word for word in words if word.isdigit() and len(word) <= 2]
    if not numbers or len(families) > 1 or len(families) + len(numbers) != len(words):
        return name
    if len(numbers) == 2 and numbers[1] == "0":
        numbers.pop()
    return "-".join(["claude", *numbers, *families] if int(numbers[0]) < 4 else ["claude", *families, *numbers])


def _plain(name: str) -> str:
    """Without what begins with a sign: '[1m]', Vertex's '@20250929', Bedrock's ':0', OpenRouter's ':beta'."""
    return name.partition("[")[0].partition("@")[0].partition(":")[0]


def _without_routes(name: str) -> str:
    if name.startswith("projects/"):  # Vertex: projects/../locations/../publishers/google/models/gemini-..
        return name.rpartition("/")[2]
    rest = name
    while (cut := rest.partition("/"))[1] and cut[0] in ROUTES:
        rest = cut[2]
    return name if "/" in rest else rest


def _undated(name: str) -> str:
    while (shorter := _without_preview_date(_without_date(name.removesuffix("-default")))) != name and shorter:
        name = shorter
    return name


def _without_date(name: str) -> str:
    name = name.removesuffix("-latest")
    if name[-9:-8] == "-" and _is_date(name[-8:]):
        return name[:-9]
    dashed = name[-10:]
    if name[-11:-10] == "-" and dashed[4:5] == dashed[7:8] == "-" and _is_date(dashed.replace("-", "")):
        return name[:-11]
    return name


def _without_preview_date(name: str) -> str:
    """Google's 'gemini-2.5-pro-preview-06-05' and '...-preview-09-2025' -> 'gemini-2.5-pro-preview'."""
    start, preview, when = name.rpartition("-preview-")
    month, _, rest = when.partition("-")
    dated = preview and len(month) == 2 and len(rest) in (2, 4) and (month + rest).isdigit()
    return f"{start}-preview" if dated else name


def _is_date(digits: str) -> bool:
    return (
        len(digits) == 8
        and digits.isascii()
        and digits.isdigit()
        and digits.startswith("20")
        and "01" <= digits[4:6] <= "12"
        and "01" <= digits[6:] <= "31"
    )
