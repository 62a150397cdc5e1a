"""Model names: every way of writing one finds the same price, and no name finds a neighbour's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.model_names import family_of, is_bedrock_regional, normalise, provider_of, says_fast, spellings

CLAUDE = (
    "claude-opus-5-5", "claude-opus-5", "claude-opus-4-6", "claude-opus-4-1", "claude-opus-4", "claude-sonnet-5-5",
    "claude-sonnet-4-5", "claude-haiku-4-5", "claude-haiku-5-5", "claude-fable-5", "claude-fable-5-2",
    "claude-mythos-5-1", "claude-3-7-sonnet", "claude-3-5-haiku", "claude-3-opus", "claude-nova-9",
)  # fmt: skip
DATES = ("20250514", "20251101", "20261001")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("claude-opus-4-6[1m]", "claude-opus-4-6"),
        ("claude-opus-4-6-fast", "claude-opus-4-6"),
        ("claude-opus-4-6-20260205-fast[1m]", "claude-opus-4-6"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("global.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0", "claude-haiku-4-5"),
        ("arn:aws:bedrock:eu-west-1:42:inference-profile/eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("projects/p/locations/l/publishers/anthropic/models/claude-opus-5@20260801", "claude-opus-5"),
        ("vertex_ai/claude-opus-5@default", "claude-opus-5"),
        ("anthropic/claude-opus-4.6", "claude-opus-4-6"),
        ("openrouter/anthropic/claude-3.7-sonnet:thinking", "claude-3-7-sonnet"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("claude-sonnet-3-7", "claude-3-7-sonnet"),
        ("claude-4-5-haiku", "claude-haiku-4-5"),
        ("claude-4-sonnet-20250514", "claude-sonnet-4"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("Claude Opus 5.5 ", "claude-opus-5-5"),
        ("claude-v1", "claude-v1"),
        ("gpt-5.2-2025-12-11", "gpt-5.2"),
        ("gpt-5.2-20251211", "gpt-5.2"),
        ("openai/gpt-5.2", "gpt-5.2"),
        ("azure/gpt-5.2", "gpt-5.2"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini-2.5-pro-preview-06-05", "gemini-2.5-pro-preview"),
        ("grok-4-fast", "grok-4-fast"),
        ("composer-2.5[fast=true]", "composer-2.5[fast=true]"),
        ("groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
        ("z-ai/glm-4.7", "zai/glm-4.7"),
        ("<synthetic>", "<synthetic>"),
        ("", ""),
    ],
)
def test_decoration_is_taken_off_a_model_name(written, name):
    assert normalise(written) == name


@given(
    st.sampled_from(CLAUDE),
    st.sampled_from(("", "anthropic/", "openrouter/anthropic/", "us.anthropic.", "global.anthropic.", "vertex_ai/")),
    st.sampled_from(("", *(f"-{date}" for date in DATES), *(f"@{date}" for date in DATES), "-latest", "@latest")),
    st.sampled_from(("", "-v1:0", ":beta", "[1m]", "-fast", "-fast[1m]")),
)
def test_every_spelling_of_a_claude_model_is_the_same_model(name, route, date, mark):
    assert normalise(route + name + date + mark) == name


@given(st.sampled_from(CLAUDE), st.sampled_from(CLAUDE))
def test_two_models_never_become_one(one, other):
    assert (normalise(one) == normalise(other)) == (one == other)


@given(st.text(max_size=80))
def test_any_text_is_a_name_and_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once
    assert spellings(text)[-1] == once
    assert isinstance(family_of(text), str)
    assert isinstance(provider_of(text), str)


@pytest.mark.parametrize("name", ["claude-opus-5-5", "claude-opus-5-20269999", "claude-opus-5-1", "claude-opus-50"])
def test_a_version_is_never_taken_off(name):
    assert normalise(name) == name


def test_a_dated_snapshot_is_looked_up_before_the_undated_model():
    assert spellings("openai/gpt-4o-2024-05-13") == ("openai/gpt-4o-2024-05-13", "gpt-4o-2024-05-13", "gpt-4o")


@pytest.mark.parametrize(
    ("name", "family", "provider"),
    [
        ("us.anthropic.claude-opus-4-6-v1:0", "opus", "anthropic"),
        ("claude-3-7-sonnet-20250219", "sonnet", "anthropic"),
        ("claude-haiku-5-5", "haiku", "anthropic"),
        ("claude-fable-5-1", "fable", "anthropic"),
        ("claude-mythos-5", "mythos", "anthropic"),
        ("claude-nova-9", "other", "anthropic"),
        ("gpt-5.2-codex", "gpt", "openai"),
        ("o3", "gpt", "openai"),
        ("o4-mini", "gpt", "openai"),
        ("codex-mini-latest", "gpt", "openai"),
        ("google/gemini-2.5-pro", "gemini", "google"),
        ("devstral-2512", "mistral", "mistral"),
        ("grok-4.5", "other", "x-ai"),
        ("openrouter/qwen/qwen3-coder", "other", "qwen"),
        ("<synthetic>", "other", ""),
        ("qwen4-coder-next", "other", "qwen"),
        ("my-own-model", "other", ""),
    ],
)
def test_a_model_has_a_family_and_a_maker(name, family, provider):
    assert (family_of(name), provider_of(name)) == (family, provider)


def test_only_claude_names_say_fast_by_their_ending():
    assert says_fast("anthropic/claude-opus-4-6-fast")
    assert says_fast("claude-opus-4.6-fast[1m]")
    assert not says_fast("claude-opus-4-6[1m]")
    assert not says_fast("grok-4-fast")


@pytest.mark.parametrize(
    ("name", "regional"),
    [
        ("us.anthropic.claude-opus-4-6-v1:0", True),
        ("anthropic.claude-opus-4-6-v1:0", True),
        ("arn:aws:bedrock:eu-west-1:42:inference-profile/eu.anthropic.claude-opus-4-6-v1", True),
        ("global.anthropic.claude-opus-4-6-v1:0", False),
        ("anthropic/claude-opus-4.6", False),
        ("claude-opus-4-6", False),
    ],
)
def test_bedrock_says_in_the_name_where_it_serves(name, regional):
    assert is_bedrock_regional(name) is regional
