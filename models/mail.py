"""What is to be mailed, and how often somebody has tried something lately."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import SQLModel

from models.types import key, moment, whole, words


class Mail(SQLModel, table=True):
    """A letter that still has to leave: the row goes once a mail server has taken it.

    `kind` names the letter (templates/email/), `facts` is a JSON object of what is said in it; never a secret. Not
    sent before `next_try_at`, nor while `leased_until` lies ahead, nor at all after `expires_at`. With `link_id` it
    carries that login link, and does not leave when there is no such link any more.
    """

    __tablename__ = "mail"
    __table_args__ = (Index("mail_by_time", "next_try_at"), Index("mail_by_address", "address"))
    id: str = words(primary_key=True)
    kind: str = words()
    address: str = words()
    facts: str = words()
    link_id: str | None = words(nullable=True, default=None)
    created_at: datetime = moment()
    next_try_at: datetime = moment()
    expires_at: datetime = moment()
    leased_until: datetime | None = moment(nullable=True, default=None)
    tries: int = whole()


class RateLimit(SQLModel, table=True):
    """How many tries were let through in one bucket, ever; who adds one holds the row, so tries come one by one."""

    __tablename__ = "rate_limit"
    bucket: str = words(primary_key=True)
    tries: int = whole()
    expires_at: datetime = moment()


class RateLimitTry(SQLModel, table=True):
    """The newest tries in a bucket, as many as its limit: try number n stands in `slot` n modulo the limit."""

    __tablename__ = "rate_limit_try"
    bucket: str = words(primary_key=True)
    slot: int = key()
    expires_at: datetime = moment()
