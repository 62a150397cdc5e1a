"""Imports every table, so that `SQLModel.metadata` is complete."""

from sqlmodel import SQLModel

from models import people, prices, rollups, sync, usage

metadata = SQLModel.metadata
__all__ = ["metadata", "people", "prices", "rollups", "sync", "usage"]
