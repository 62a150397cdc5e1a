"""Imports every table, so that `SQLModel.metadata` is complete."""

from sqlmodel import SQLModel

from models import audit, mail, people, prices, rollups, setup, sync, tokens, usage

metadata = SQLModel.metadata
__all__ = ["audit", "mail", "metadata", "people", "prices", "rollups", "setup", "sync", "tokens", "usage"]
