"""The price list: dated rate rows made from the genai-prices package, plus what that package lacks.

The package takes 0.3 s to import, so its rates are flattened once per version into `meter/rates.json.gz`, which is read
in milliseconds. `python -m meter.price_list` writes that file anew; a test compares it with the installed package.
"""

import gzip
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from meter.pricing import Rate

SNAPSHOT = Path(__file__).with_name("rates.json.gz")
GENAI_PRICES_VERSION = "0.2.3"  # the version the snapshot was made from
SUPPLEMENT_REVISION = 1  # raise when meter/price_supplement.py changes
PRICE_LIST_VERSION = f"genai-prices {GENAI_PRICES_VERSION} + {SUPPLEMENT_REVISION}"


class PriceList(NamedTuple):
    """A version that changes with any rate, the rates sorted by natural key with ids 1.. by position, and other names
    of models (name -> llm_model).
    """

    version: str
    rates: tuple[Rate, ...]
    aliases: dict[str, str]


def price_list() -> PriceList:
    """The price list of the installed genai-prices: the snapshot if it was made from that version, else flattened."""
    if installed_version() in (GENAI_PRICES_VERSION, None):
        return read_snapshot()
    return flatten()


def current_version() -> str:
    """The version `price_list()` would have, without making it; compare with what the database was filled from."""
    return f"genai-prices {installed_version() or GENAI_PRICES_VERSION} + {SUPPLEMENT_REVISION}"


def installed_version() -> str | None:
    """The version of the installed genai-prices package, None if it is not installed."""
    if find_spec("genai_prices") is None:
        return None  # the usual case, answered without importlib.metadata, which costs more than the snapshot does
    from importlib import metadata

    return metadata.version("genai-prices")


def flatten() -> PriceList:
    """The price list made from the installed package (slow: imports it)."""
    from meter.price_flatten import package_rates
    from meter.price_supplement import supplemented

    rates, aliases = package_rates(f"genai-prices {installed_version()}")
    rates, aliases = supplemented(rates, aliases)
    return PriceList(current_version(), numbered(rates), dict(sorted(aliases.items())))


def numbered(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """The rates sorted by natural key, ids by position. The natural key is `natural_key(rate)`; it never repeats."""
    return tuple(rate._replace(id=position) for position, rate in enumerate(sorted(rates, key=natural_key), start=1))


def natural_key(rate: Rate) -> tuple[str, str, str, int, int, str]:
    """What tells one row of the list from another, whatever its id."""
    return rate.llm_model, rate.variant, rate.geo, rate.valid_from_ms, rate.prompt_above_tokens, rate.source


def read_snapshot(path: Path = SNAPSHOT) -> PriceList:
    """The price list in a snapshot file, a few milliseconds."""
    stored = json.loads(gzip.decompress(path.read_bytes()))
    text = stored["texts"].__getitem__
    rates = tuple(
        Rate._make((position, *map(text, row[:4]), *row[4:-2], *map(text, row[-2:]), 0))
        for position, row in enumerate(stored["rates"], start=1)
    )
    return PriceList(stored["version"], rates, stored["aliases"])


def snapshot_bytes(prices: PriceList) -> bytes:
    """A price list as the snapshot file holds it: the same list gives the same bytes.

    A row has the columns of Rate from llm_model to checked_on; of texts it has their place in `texts`.
    """
    texts: dict[str, int] = {}

    def place(text: str) -> int:
        return texts.setdefault(text, len(texts))

    rows = [
        [
            *(place(text) for text in (rate.llm_model, rate.provider, rate.variant, rate.geo)),
            *rate[Rate._fields.index("valid_from_ms") : Rate._fields.index("source")],
            *(place(text) for text in (rate.source, rate.checked_on)),
        ]
        for rate in prices.rates
    ]
    stored = {"version": prices.version, "texts": list(texts), "rates": rows, "aliases": prices.aliases}
    text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main() -> None:
    """Rewrite the snapshot from the installed package and say what it holds."""
    prices = flatten()
    SNAPSHOT.write_bytes(snapshot_bytes(prices))
    models = len({rate.llm_model for rate in prices.rates})
    counts = f"{models} models, {len(prices.rates)} rates, {len(prices.aliases)} aliases"
    print(f"{SNAPSHOT.name}: {prices.version}, {counts}")
    if prices.version != PRICE_LIST_VERSION:
        print(f"Set GENAI_PRICES_VERSION in {Path(__file__).name} to {installed_version()!r}.")


if __name__ == "__main__":
    main()
