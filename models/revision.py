"""Which schema this code needs. Apart from db.py, so that a sync can compare it without importing SQLAlchemy."""

HEAD = "2026_11_20e"  # the newest revision in migrations/versions
