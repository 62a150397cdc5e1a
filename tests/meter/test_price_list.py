"""The price list: equal to the package it is made from, complete for what that lacks, right against recorded costs."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from genai_prices import data, types
from genai_prices.data_snapshot import DataSnapshot

from meter import price_list
from meter.money import usd
from meter.pricing import PriceBook

ROOT = Path(__file__).parents[2]
CLAUDE_CODE = json.loads((ROOT / "tests/data/prices-claude-code-2.1.328.json").read_text())
LIST = price_list.read_snapshot()
BOOK = PriceBook(LIST.rates, LIST.aliases)
NOW_MS = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)


def test_the_snapshot_is_what_the_installed_package_flattens_to():
    flattened = price_list.flatten()
    assert flattened.version == LIST.version == price_list.PRICE_LIST_VERSION, "run: python -m meter.price_list"
    assert flattened == LIST, "run: python -m meter.price_list"
    assert price_list.snapshot_bytes(flattened) == price_list.SNAPSHOT.read_bytes()


def test_another_version_of_the_package_is_flattened_instead_of_the_snapshot(monkeypatch):
    monkeypatch.setattr(price_list, "GENAI_PRICES_VERSION", "0.0.1")
    flattened = price_list.price_list()
    assert flattened.rates == LIST.rates
    assert flattened.version == f"genai-prices {price_list.installed_version()} + {price_list.SUPPLEMENT_REVISION}"


def test_reading_the_snapshot_imports_neither_the_package_nor_pydantic():
    code = "import sys; from meter.price_list import price_list; price_list(); print(set(sys.modules) & {%r, %r})"
    code %= ("genai_prices", "pydantic")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_row_is_one_of_a_kind_and_no_two_hold_at_once():
    keys = [price_list.natural_key(rate) for rate in LIST.rates]
    assert len(set(keys)) == len(keys)
    periods = defaultdict(list)
    for rate in LIST.rates:
        periods[rate.llm_model, rate.variant, rate.geo, rate.prompt_above_tokens].append(
            (rate.valid_from_ms, rate.valid_to_ms)
        )
    for spans in periods.values():
        assert all(end is not None and end <= start for (_, end), (start, _) in pairwise(sorted(spans)))


def test_rows_are_sane_and_say_where_they_come_from():
    for rate in LIST.rates:
        assert rate.llm_model == rate.llm_model.lower().strip()
        assert all(pico >= 0 for pico in rate[8:14])
        assert rate.valid_to_ms is None or rate.valid_from_ms < rate.valid_to_ms
        assert rate.source
        assert rate.checked_on == "2026-11-20"


def test_aliases_lead_to_a_model_and_hide_none():
    models = {rate.llm_model for rate in LIST.rates}
    assert set(LIST.aliases.values()) <= models
    assert not set(LIST.aliases) & models


# Against the package itself

TOKEN_PRICES = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
CONTEXTS = {("", ""): None, ("", "batch"): {"processing": "batch"}, ("", "priority"): {"service_tier": "priority"}}
MOMENTS = [
    datetime(2024, 6, 1, 5, tzinfo=UTC),
    datetime(2026, 3, 12, 23, 59, tzinfo=UTC),
    datetime(2026, 3, 13, tzinfo=UTC),
    datetime(2026, 8, 20, 2, 30, tzinfo=UTC),
    datetime(2026, 11, 20, 7, tzinfo=UTC),
]
PROMPTS = [(10, 5_000, 0, 3_000), (90_000, 10_001, 0, 0), (150_000, 90_000, 7_000, 3_000), (300_000, 0, 0, 0)]
DELIBERATE = {"anthropic"}  # batches cost half at any date here, only from 2026-10-14 in the package


def package_models():
    """(provider id, the name we price it under, model) of every model that the package prices by tokens."""
    snapshot = DataSnapshot(providers=data.providers, from_auto_update=False)
    for provider in data.providers:
        for model in provider.models:
            name = model.id.lower()
            if "claude" in name and provider.id != "anthropic":
                continue  # a Claude name is priced as Anthropic's, whoever serves it
            try:
                found = snapshot.find_provider_model(name, None, None, None)[1]
            except LookupError:
                found = None
            yield provider.id, name if found is model else f"{provider.id}/{name}", model


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_every_model_costs_what_the_package_says(moment):
    at_ms = int(moment.timestamp() * 1000)
    compared = 0
    for provider_id, name, model in package_models():
        for number, ((speed, tier), context) in enumerate(CONTEXTS.items()):
            if tier == "batch" and provider_id in DELIBERATE:
                continue
            input_tokens, read, write_5m, write_1h = PROMPTS[(number + len(name)) % len(PROMPTS)]
            cost, rate_id = BOOK.cost_nanousd(
                name, speed, tier, "", at_ms, input_tokens, 1_234, read, write_5m, write_1h, 0
            )
            if rate_id is None:
                assert not is_priced_by_tokens(model), name
                continue
            expected = package_cost(model.get_prices(moment, context), input_tokens, 1_234, read, write_5m, write_1h)
            assert usd(cost) == pytest.approx(expected, abs=Decimal("1e-6")), (name, tier)
            compared += 1
    assert compared > 5_000


def is_priced_by_tokens(model):
    conditions = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    return any(each.prices.input_mtok is not None or each.prices.output_mtok is not None for each in conditions)


def package_cost(prices, input_tokens, output_tokens, read, write_5m, write_1h):
    tokens_only = types.ModelPrice(**{name: price for name, price in prices.__dict__.items() if name in TOKEN_PRICES})
    usage = types.Usage(
        input_tokens=input_tokens + read + write_5m + write_1h,
        output_tokens=output_tokens,
        cache_read_tokens=read,
        cache_write_tokens=write_5m + write_1h,
        cache_write_1h_tokens=write_1h,
    )
    return tokens_only.calc_price(usage)["total_price"]


# Against what Claude Code 2.1.328 itself estimates with

KINDS = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
WHERE_CLAUDE_CODE_DIFFERS = {
    "claude-opus-4-20250514": (15, 75, 18.75, 30, 1.5),  # it bills the model it silently uses instead, opus-5-5
    "claude-opus-4-1-20250805": (15, 75, 18.75, 30, 1.5),  # the same
    "claude-3-opus-20240229": (15, 75, 18.75, 30, 1.5),  # it has no price and takes its default model's
    "claude-3-haiku-20240307": (0.25, 1.25, 0.3, 0.5, 0.03),  # the same
    "claude-nova-9": None,  # the same; here an unknown model is unpriced
}
CALLS_CLAUDE_CODE_DIFFERS_IN = {
    ("claude-sonnet-4-5-20250929", "in=300000,out=1000"): "1.8225",  # it has no long-prompt tier
    ("claude-sonnet-4-5-20250929", "in=1000,out=1000,tier=batch"): "0.009",  # it gives batches no discount
    ("claude-opus-4-6", "in=1000,out=1000,tier=batch"): "0.015",
    ("claude-opus-5", "in=1000,out=1000,tier=batch"): "0.015",
    ("claude-opus-5-5", "in=1000,out=1000,tier=batch"): "0.012",
}


@pytest.mark.parametrize("llm_model", CLAUDE_CODE["models"])
def test_prices_are_claude_codes_own_but_for_known_differences(llm_model):
    theirs = tuple(CLAUDE_CODE["models"][llm_model][kind] for kind in KINDS)
    found = BOOK.rate_for(llm_model, NOW_MS, 1)
    ours = found and tuple(getattr(found, f"{kind}_pico") / 1_000_000 for kind in KINDS)
    assert ours == WHERE_CLAUDE_CODE_DIFFERS.get(llm_model, theirs)
    assert (llm_model in WHERE_CLAUDE_CODE_DIFFERS) == (ours != theirs)


@pytest.mark.parametrize(
    ("llm_model", "call"), [(name, call) for name, calls in CLAUDE_CODE["modifiers"].items() for call in calls]
)
def test_costs_are_claude_codes_own_but_for_known_differences(llm_model, call):
    said = dict(part.split("=") for part in call.split(","))
    cost, _ = BOOK.cost_nanousd(
        llm_model, said.get("speed", ""), said.get("tier", ""), said.get("geo", ""), NOW_MS,
        int(said["in"]), int(said["out"]), 0, 0, 0, int(said.get("ws", 0)),
    )  # fmt: skip
    theirs = Decimal(str(round(CLAUDE_CODE["modifiers"][llm_model][call], 12)))
    expected = CALLS_CLAUDE_CODE_DIFFERS_IN.get((llm_model, call))
    assert usd(cost) == (Decimal(expected) if expected else theirs)
    assert expected is None or Decimal(expected) != theirs


# The supplement


@pytest.mark.parametrize(
    ("llm_model", "prices"),
    [
        ("claude-mythos-5", (10, 50, 12.5, 20, 1)),
        ("claude-mythos-5-1", (10, 50, 12.5, 20, 0.25)),
        ("claude-mythos-5-2", (8, 40, 10, 16, 0.2)),
        ("claude-fable-5-2", (8, 40, 10, 16, 0.2)),
        ("claude-sonnet-5-5", (2, 10, 2.5, 4, 0.1)),
        ("claude-haiku-5-5", (0.1, 0.5, 0.125, 0.2, 0.01)),
        ("claude-3-5-haiku", (0.8, 4, 1, 1.6, 0.08)),
    ],
)
def test_models_cost_what_their_makers_list_says(llm_model, prices):
    found = BOOK.rate_for(llm_model, NOW_MS, 1)
    assert tuple(getattr(found, f"{kind}_pico") / 1_000_000 for kind in KINDS) == prices


def test_every_claude_model_searches_for_a_cent():
    claude = [rate for rate in LIST.rates if rate.llm_model.startswith("claude-")]
    assert {rate.web_search_nano for rate in claude} == {10_000_000}


def test_anthropic_prices_multiply_alike_at_any_time_and_prompt_size():
    claude = [
        rate for rate in LIST.rates if rate.provider == "anthropic" and rate.llm_model not in ("claude-2", "claude-v1")
    ]
    for rate in claude:
        at_ms, prompt = rate.valid_from_ms, rate.prompt_above_tokens + 1
        us = BOOK.rate_for(rate.llm_model, at_ms, prompt, inference_geo="us")
        batch = BOOK.rate_for(rate.llm_model, at_ms, prompt, service_tier="batch")
        plain = BOOK.rate_for(rate.llm_model, at_ms, prompt)
        assert [10 * pico for pico in us[8:13]] == [11 * pico for pico in plain[8:13]]
        assert [2 * pico for pico in batch[8:13]] == list(plain[8:13])


@pytest.mark.parametrize(
    ("llm_model", "times"), [("claude-opus-4-6", 6), ("claude-opus-4-7", 6), ("claude-opus-4-8", 2)]
)
def test_fast_mode_costs_a_multiple(llm_model, times):
    fast, plain = (BOOK.rate_for(llm_model, NOW_MS, 1, speed=speed) for speed in ("fast", ""))
    assert fast[8:13] == tuple(times * pico for pico in plain[8:13])


# Recorded calls


def test_recorded_calls_cost_what_independent_tools_say(shared):
    expected = json.loads((shared / "expected/claude/COUNTS.json").read_text())["cost_usd"]
    by_model, by_day, progress_only = defaultdict(int), defaultdict(int), 0
    with (shared / "expected/claude/messages.csv").open() as file:
        for row in csv.DictReader(file):
            cost = recorded_cost(row)
            if row["source"] == "progress":
                progress_only += cost
            elif row["model"] != "<synthetic>":
                by_model[row["model"]] += cost
                by_day[row["timestamp"][:10]] += cost
    assert in_usd(by_model) == pytest.approx(expected["by_model"], abs=1e-6)
    assert in_usd(by_day) == pytest.approx(expected["by_day_utc"], abs=1e-6)
    assert sum(by_model.values()) / 1e9 == pytest.approx(expected["total"], abs=1e-6)
    assert progress_only / 1e9 == pytest.approx(expected["progress_only_total"], abs=1e-6)


def recorded_cost(row):
    count = {
        name: int(row[name]) for name in ("input", "output", "cache_creation", "cache_read", "cache_5m", "cache_1h")
    }
    residual = max(0, count["cache_creation"] - count["cache_5m"] - count["cache_1h"])
    at_ms = int(datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
    cost, _ = BOOK.cost_nanousd(
        row["model"], "", "", "", at_ms,
        count["input"], count["output"], count["cache_read"], count["cache_5m"] + residual, count["cache_1h"], 0,
    )  # fmt: skip
    return cost


def in_usd(sums):
    return {key: nanousd / 1e9 for key, nanousd in sums.items()}
