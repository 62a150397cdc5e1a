"""What a token costs, dated: rate rows and the names that stand for a priced model."""

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel


def _int(**kw: object) -> int:
    return Field(sa_type=BigInteger, **kw)


def _text(**kw: object) -> str:
    return Field(sa_type=Text, **kw)


class Rate(SQLModel, table=True):
    """Prices of one model from a moment on, for one variant, geography and prompt size.

    `*_pico` are pico-dollars per token (1 $ per million tokens = 1,000,000). Times are epoch milliseconds, half-open.
    An override (`is_override` 1) wins over the price list. A row that a newer price list no longer has stays with
    `is_current` 0, because calls name the row they were priced with.
    """

    __table_args__ = (Index("rate_by_model", "llm_model"),)
    id: int = _int(primary_key=True, sa_column_kwargs={"autoincrement": False})
    llm_model: str = _text()
    provider: str = _text()
    variant: str = _text()
    geo: str = _text()
    valid_from_ms: int = _int()
    valid_to_ms: int | None = _int(nullable=True)
    prompt_above_tokens: int = _int()
    input_pico: int = _int()
    output_pico: int = _int()
    cache_read_pico: int = _int()
    cache_write_5m_pico: int = _int()
    cache_write_1h_pico: int = _int()
    web_search_nano: int = _int()
    source: str = _text()
    checked_on: str = _text()
    is_override: int = _int()
    is_current: int = _int()


class ModelAlias(SQLModel, table=True):
    """`name` is priced as `llm_model`: by the price list, or (`is_override` 1) by an admin."""

    __tablename__ = "model_alias"
    name: str = _text(primary_key=True)
    llm_model: str = _text()
    is_override: int = _int()


class PriceListVersion(SQLModel, table=True):
    """Which price list the rate rows came from (one row)."""

    __tablename__ = "price_list_version"
    id: int = _int(primary_key=True, sa_column_kwargs={"autoincrement": False})
    version: str = _text()
