"""Reading the pages that come back."""

import html
import re

from werkzeug.test import TestResponse

SWAP = {"HX-Request": "true", "HX-Request-Type": "partial"}


def text_of(answer: TestResponse | str) -> str:
    """What a person reads, without tags, in one line."""
    source = answer if isinstance(answer, str) else answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", source)).split())


def section(answer: TestResponse, name: str) -> str:
    """The source of one section of a page; '' when it is not there."""
    found = re.search(rf'<section class="panel" id="{name}".*?</section>', answer.text, re.S)
    return found[0] if found else ""


def rows(answer: TestResponse, name: str) -> list[str]:
    """What stands in each row of a section's table."""
    body = re.search(r"<tbody>(.*?)</tbody>", section(answer, name), re.S)
    return [text_of(row) for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.S)] if body else []


def action(answer: TestResponse, ending: str) -> str:
    """The address of the first form whose address ends so."""
    return html.unescape(re.search(rf'action="([^"]*{re.escape(ending)})"', answer.text)[1])
