"""What the installation was told about itself."""

from datetime import datetime

from sqlmodel import SQLModel

from models.types import moment, words


class SetupValue(SQLModel, table=True):
    """One answer of the setup wizard: `setup.scenario`, `setup.infra`, `setup.completed`. No rows: not set up yet.

    Whether the installation has an owner is not kept here, so that starting over never asks for one again.
    """

    __tablename__ = "setup_value"
    name: str = words(primary_key=True)
    value: str = words()
    changed_at: datetime = moment()
