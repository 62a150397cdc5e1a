"""The version, in one place: pyproject.toml, /status and `agentmeter --version` read it from here."""

VERSION = "0.1.0"
