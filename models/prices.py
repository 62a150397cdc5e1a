"""What a token costs, dated: rate rows and the names that stand for a priced model."""

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, whole, words


class Rate(SQLModel, table=True):
    """Prices of one model from a moment on, for one variant, geography and prompt size.

    `*_pico` are pico-dollars per token (1 $ per million tokens = 1,000,000). Times are epoch milliseconds, half-open.
    An override (`is_override` 1) wins over the price list. A row that a newer price list no longer has stays with
    `is_current` 0, because calls name the row they were priced with.
    """

    __table_args__ = (Index("rate_by_model", "llm_model"),)
    id: int = key()
    llm_model: str = words()
    provider: str = words()
    variant: str = words()
    geo: str = words()
    valid_from_ms: int = whole()
    valid_to_ms: int | None = whole(nullable=True)
    prompt_above_tokens: int = whole()
    input_pico: int = whole()
    output_pico: int = whole()
    cache_read_pico: int = whole()
    cache_write_5m_pico: int = whole()
    cache_write_1h_pico: int = whole()
    web_search_nano: int = whole()
    source: str = words()
    checked_on: str = words()
    is_override: int = whole()
    is_current: int = whole()


class ModelAlias(SQLModel, table=True):
    """`name` is priced as `llm_model`: by the price list, or (`is_override` 1) by an admin."""

    __tablename__ = "model_alias"
    name: str = words(primary_key=True)
    llm_model: str = words()
    is_override: int = whole()


class PriceListVersion(SQLModel, table=True):
    """Which price list the rate rows came from (one row)."""

    __tablename__ = "price_list_version"
    id: int = key()
    version: str = words()
