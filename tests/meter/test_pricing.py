"""What calls cost. The vectors were computed by hand and confirmed with genai-prices 0.2.3."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meter.explain import explain
from meter.money import usd
from meter.price_list import read_snapshot
from meter.pricing import SYNTHETIC, PriceBook, Rate, cost_nanousd, normalise, variant_of, weighted_tokens

LIST = read_snapshot()
BOOK = PriceBook(LIST.rates, LIST.aliases)
COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "web_searches",
)


def counts(**given):
    return given


def ms(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def cost_and_rate(llm_model, at="2026-11-20", *, book=BOOK, speed="", tier="", geo="", **tokens):
    filled = {**dict.fromkeys(COUNTS, 0), **tokens}
    return book.cost_nanousd(llm_model, speed, tier, geo, ms(at), **filled)


def cost_usd(llm_model, at="2026-11-20", **call):
    cost, rate_id = cost_and_rate(llm_model, at, **call)
    assert rate_id is not None, f"{llm_model} is unpriced"
    return usd(cost)


def rate(llm_model="m", *, id=1, variant="", geo="", since="1970-01-01", until=None, above=0, price=1, override=0):
    picos = [price * 1_000_000] * 5
    until_ms = ms(until) if until else None
    return Rate(id, llm_model, "", variant, geo, ms(since), until_ms, above, *picos, 0, "test", "2026-11-20", override)


# The twelve vectors, those that concern prices


def test_v1_every_kind_of_token_has_its_own_price():
    call = counts(input_tokens=100, output_tokens=200, cache_write_5m_tokens=1_000, cache_write_1h_tokens=2_000)
    assert cost_usd("claude-sonnet-4-5", **call, cache_read_tokens=50_000) == Decimal("0.034050")


def test_v2_a_write_without_a_known_lifetime_costs_as_five_minutes():
    call = counts(input_tokens=100, output_tokens=200, cache_write_5m_tokens=1_000 + 500, cache_write_1h_tokens=2_000)
    assert cost_usd("claude-sonnet-4-5", **call, cache_read_tokens=50_000) == Decimal("0.035925")


def test_v3_one_token_over_the_threshold_raises_the_whole_request():
    assert cost_usd("claude-haiku-5-5", input_tokens=100_000, output_tokens=1_000) == Decimal("0.010500")
    assert cost_usd("claude-haiku-5-5", input_tokens=100_001, output_tokens=1_000) == Decimal("0.0525005")


def test_v4_the_long_prompt_surcharge_ended_on_a_day():
    call = counts(input_tokens=10_000, cache_read_tokens=240_000, output_tokens=1_000)
    assert cost_usd("claude-opus-4-6", "2026-03-12T23:59:59.999", **call) == Decimal("0.377500")
    assert cost_usd("claude-opus-4-6", "2026-03-13", **call) == Decimal("0.195000")


@pytest.mark.parametrize("at", ["2026-09-01", "2026-10-13", "2026-10-14", "2026-11-20"])
def test_v5_fast_is_twice_and_batch_is_half_at_any_date(at):
    call = counts(input_tokens=1_000, cache_read_tokens=10_000, output_tokens=1_000)
    assert cost_usd("claude-opus-5-5", at, **call) == Decimal("0.026")
    assert cost_usd("claude-opus-5-5", at, **call, speed="fast") == Decimal("0.052")
    assert cost_usd("claude-opus-5-5", at, **call, tier="batch") == Decimal("0.013")


@pytest.mark.parametrize(
    ("llm_model", "dollars"),
    [("claude-sonnet-4-20250514", 3), ("claude-opus-4-1-20250805", 15), ("claude-3-5-sonnet-20241022", 3)],
)
def test_v6_retired_models_keep_their_price(llm_model, dollars):
    assert cost_usd(llm_model, input_tokens=1_000_000) == dollars


def test_v7_web_searches_cost_a_cent_each():
    assert cost_usd("claude-sonnet-5", input_tokens=10, web_searches=3) == Decimal("0.030020")


def test_v8_a_newer_model_is_not_priced_as_the_older_one_it_begins_with():
    assert cost_usd("claude-opus-5-5-20261001", input_tokens=1_000_000) == 4
    assert cost_usd("claude-opus-5-20260801", input_tokens=1_000_000) == 5


def test_v9_no_call_costs_nothing_and_an_unknown_model_is_unpriced():
    assert cost_and_rate(SYNTHETIC, input_tokens=5) == (0, None)
    assert cost_and_rate("claude-opus-9", input_tokens=5) == (0, None)
    assert BOOK.rate_for("claude-opus-9", ms("2026-11-20"), 5) is None


def test_v11_the_usage_hub_weighs_tokens_by_fixed_weights():
    assert weighted_tokens(18_234, 4_521, 92_341, 7_821) == 72_224


# Variants, geography, names


@pytest.mark.parametrize(
    ("llm_model", "call", "dollars"),
    [
        ("claude-opus-4-6", counts(speed="fast"), "0.18"),
        ("claude-opus-4-6-fast", counts(), "0.18"),
        ("claude-opus-5", counts(speed="fast"), "0.06"),
        ("claude-sonnet-4-5", counts(speed="fast"), "0.018"),  # has no fast mode: its plain price
        ("claude-opus-5-5", counts(geo="us"), "0.0264"),
        ("claude-opus-5-5", counts(geo="us", speed="fast"), "0.0528"),
        ("claude-opus-5-5", counts(geo="us", tier="batch"), "0.0132"),
        ("claude-sonnet-4-5-20250929", counts(geo="us"), "0.0198"),
        ("claude-opus-5-5", counts(geo="not_available", tier="standard"), "0.024"),
        ("claude-opus-5-5", counts(tier="priority"), "0.024"),
        ("global.anthropic.claude-opus-5-5", counts(), "0.024"),
        ("eu.anthropic.claude-opus-5-5", counts(), "0.0264"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", counts(), "0.09"),  # Bedrock's surcharge came with 4.5
        ("claude-mythos-5-1", counts(), "0.06"),
    ],
)
def test_the_way_a_call_was_served_is_part_of_its_price(llm_model, call, dollars):
    assert cost_usd(llm_model, input_tokens=1_000, output_tokens=1_000, **call) == Decimal(dollars)


def test_batches_halve_tokens_but_not_searches():
    assert cost_usd("claude-sonnet-5", tier="batch", input_tokens=1_000_000, web_searches=3) == Decimal("1.03")


def test_fast_mode_of_opus_4_6_raised_the_long_prompt_tier_too():
    assert cost_usd("claude-opus-4-6", "2026-03-01", speed="fast", input_tokens=300_000) == 18
    assert cost_usd("claude-opus-4-6", "2026-04-01", speed="fast", input_tokens=300_000) == 9


def test_fast_wins_over_a_service_tier():
    assert variant_of("claude-opus-5", "fast", "batch", "") == ("claude-opus-5", "fast", "")


def test_a_price_may_hang_on_the_hour_of_the_day():
    at = {hour: cost_usd("deepseek-v4-flash", f"2026-11-20T{hour}", output_tokens=1_000_000) for hour in HOURS}
    assert at == {hour: Decimal(dollars) for hour, dollars in HOURS.items()}


HOURS = {"00:59": "0.6", "01:00": "1.2", "03:59:59.999": "1.2", "04:00": "0.6", "06:00": "1.2", "10:00": "0.6"}


def test_a_dated_snapshot_with_its_own_price_keeps_it():
    assert cost_usd("gpt-4o-2024-05-13", input_tokens=1_000_000) == 5
    assert cost_usd("gpt-4o-2024-08-06", input_tokens=1_000_000) == Decimal("2.5")


# How rates are chosen


def test_a_rate_holds_from_its_first_millisecond_to_the_one_before_its_end():
    book = PriceBook([rate(id=1, until="2026-05-01"), rate(id=2, since="2026-05-01", until="2026-06-01")])
    chosen = [book.rate_for("m", ms(at), 1) for at in ("2026-04-30T23:59:59.999", "2026-05-01", "2026-06-01")]
    assert [found and found.id for found in chosen] == [1, 2, None]


def test_an_override_wins_over_the_list_with_all_its_tiers_while_it_holds():
    override = rate(id=3, price=2, since="2026-05-01", until="2026-06-01", override=1)
    book = PriceBook([rate(id=1), rate(id=2, above=100, price=9), override])
    chosen = [book.rate_for("m", ms(at), 500).id for at in ("2026-04-30", "2026-05-01", "2026-06-01")]
    assert chosen == [2, 3, 2]


def test_a_variant_without_a_price_at_that_time_falls_back_to_the_plain_price_of_the_same_model():
    book = PriceBook([rate(id=1), rate(id=2, variant="fast", since="2026-05-01")])
    chosen = [book.rate_for("m", ms(at), 1, speed="fast").id for at in ("2026-04-30", "2026-05-01")]
    assert chosen == [1, 2]


def test_an_alias_is_priced_as_the_model_it_stands_for():
    book = PriceBook([rate("m")], {"our-proxy": "m"})
    assert cost_and_rate("our-proxy", book=book, input_tokens=1_000_000) == (10**9, 1)
    assert book.priced_as("our-proxy") == "m"
    assert book.priced_as("nobody-knows-20260101") == "nobody-knows"


def test_rates_are_loaded_once_for_each_name_met():
    asked = []

    def load(name):
        asked.append(name)
        return [rate(name)] if name == "claude-opus-5" else []

    book = PriceBook(load)
    for _ in range(3):
        cost_and_rate("claude-opus-5-20260801", book=book, input_tokens=1)
        cost_and_rate("nobody/knows", book=book, input_tokens=1)
        cost_and_rate(SYNTHETIC, book=book)
    assert asked == ["claude-opus-5", "nobody/knows"]


TIERS = st.lists(st.integers(1, 1_000_000), unique=True, max_size=5)


@given(TIERS, st.integers(0, 1_000_001), st.randoms())
def test_the_tier_is_the_highest_that_the_prompt_exceeds_whatever_the_order_of_rows(thresholds, prompt, random):
    rates = [rate(id=position, above=above) for position, above in enumerate((0, *thresholds), start=1)]
    random.shuffle(rates)
    chosen = PriceBook(rates).rate_for("m", ms("2026-11-20"), prompt)
    assert chosen.prompt_above_tokens == max(above for above in (0, *thresholds) if above == 0 or prompt > above)


COUNT = st.integers(0, 2_000_000)
TOKENS = st.fixed_dictionaries(dict.fromkeys(COUNTS[:-1], COUNT) | {"web_searches": st.integers(0, 9)})
MODELS = st.sampled_from(["claude-sonnet-4-5", "claude-haiku-5-5", "claude-opus-4-6", "gpt-5.4", "deepseek-v4-flash"])
SERVED = st.tuples(st.sampled_from(["", "fast"]), st.sampled_from(["", "batch", "flex"]), st.sampled_from(["", "us"]))


@given(MODELS, SERVED, st.integers(ms("2025-01-01"), ms("2027-01-01")), TOKENS)
def test_the_stored_cost_is_the_cost_at_the_stored_rate_and_its_lines_add_up_to_it(llm_model, served, at_ms, tokens):
    cost, rate_id = BOOK.cost_nanousd(llm_model, *served, at_ms, **tokens)
    prompt = sum(tokens[kind] for kind in COUNTS[:-1]) - tokens["output_tokens"]
    used = BOOK.rate_for(llm_model, at_ms, prompt, *served)
    assert used.id == rate_id
    assert cost_nanousd(used, **tokens) == cost
    explained = explain(used, llm_model, *served, **tokens)
    assert explained.cost_nanousd == cost
    assert round(explained.exact_usd.scaleb(9)) == cost
    assert sum(line.count for line in explained.lines) == sum(tokens.values())


def test_an_explanation_shows_counts_prices_and_where_they_come_from():
    call = dict.fromkeys(COUNTS, 0) | counts(input_tokens=300_000, output_tokens=7, web_searches=2)
    used = BOOK.rate_for("claude-sonnet-4-5-20250929", ms("2026-01-05"), 300_000, inference_geo="us")
    explained = explain(used, "claude-sonnet-4-5-20250929", "", "standard", "us", **call)
    assert [(line.kind, line.count, line.unit_usd, line.cost_usd) for line in explained.lines] == [
        ("input", 300_000, Decimal("6.6"), Decimal("1.98")),
        ("output", 7, Decimal("24.75"), Decimal("0.00017325")),
        ("web_search", 2, Decimal("0.01"), Decimal("0.02")),
    ]
    assert explained.priced_as == "claude-sonnet-4-5"
    assert (explained.prompt_above_tokens, explained.prompt_tokens) == (200_000, 300_000)
    assert (explained.variant, explained.geo, explained.is_fallback) == ("", "us", False)
    assert explained.source == "LiteLLM 1.109.1: US-only inference costs 1.1 times"
    assert explained.valid_from_at is None
    assert explained.valid_to_at is None


def test_an_explanation_says_when_the_plain_price_stood_in():
    used = BOOK.rate_for("claude-sonnet-4-5", ms("2026-01-05"), 1, speed="fast")
    assert explain(used, "claude-sonnet-4-5", "fast", "", "", 1, 0, 0, 0, 0, 0).is_fallback


def test_an_explanation_of_an_unpriced_call_has_no_figures():
    explained = explain(None, "claude-opus-9", "", "", "", 1, 2, 3, 4, 5, 6)
    assert not explained.is_priced
    assert (explained.lines, explained.cost_nanousd) == ((), 0)
    assert explained.priced_as == normalise("claude-opus-9")
