"""The log: one JSON object a line on standard error, so that no text from outside can forge a line or move a cursor."""

import json
import logging
import sys
from datetime import UTC, datetime

log = logging.getLogger("agentmeter")


class JsonLines(logging.Formatter):
    """A record as one line of ASCII JSON; control characters come out escaped."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if hasattr(record, "request_id"):
            line["request"] = record.request_id
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def write_log_to_stderr() -> None:
    """Send what the program logs to standard error; called once by whoever serves."""
    if not log.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
