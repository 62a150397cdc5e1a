"""What the browser tests do: start a server, write transcripts, claim, look for what is wrong."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page

from transcripts import answer, message_id, tool_use, usage

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests" / "e2e" / "vendor" / "axe-4.14.1.min.js"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


class Server:
    """`agentmeter serve` in a process of its own, over a folder of transcripts of its own; `changes` are settings."""

    def __init__(self, folder: Path, **changes: str) -> None:
        self.projects = folder / "projects"
        self.projects.mkdir(parents=True)
        self.log = folder / "server.log"
        own = {name: value for name, value in os.environ.items() if not name.startswith("AGENTMETER_")}
        environment = {
            **own,
            "AGENTMETER_HOME": str(folder / "home"),
            "AGENTMETER_LOG_ROOTS": str(self.projects),
            "PYTHONUNBUFFERED": "1",
            **changes,
        }
        words = [sys.executable, str(ROOT), "serve", "--no-open", "--bind", "127.0.0.1:0"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        self.claim_url = self._wait_for(r"open\s+(http://\S+/claim\S+)")
        self.url = re.match(r"http://[^/]+", self.claim_url)[0]

    def _wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(pattern, self.log.read_text()):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def write(self, *lines: dict, project: str = "-home-ada-shop", session: str = "first") -> None:
        """Append lines to a transcript, as an agent does while it works."""
        path = self.projects / project / f"{session}.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def line(
    name: str, at: datetime, llm_model: str = "claude-opus-4-6", project: str = "/home/ada/shop", **counts: int
) -> dict:
    """An assistant's line with a call of one tool at a moment."""
    message = {
        "id": message_id(name),
        "model": llm_model,
        "usage": usage(**counts),
        "content": [tool_use(f"toolu_{name}", "Bash")],
    }
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return answer(name, message=message, timestamp=stamp, cwd=project, sessionId=f"session-{project[-4:]}-{at:%j}")


def write_three_weeks(server: Server) -> None:
    """Some calls a day of three models in two projects, up to an hour ago."""
    now = datetime.now(UTC)
    for number in range(60):
        at = now - timedelta(hours=1 + 9 * number)
        llm_model = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5")[number % 3]
        project = ("/home/ada/shop", "/home/ada/atlas")[number % 2]
        call = line(f"call{number}", at, llm_model, project, output_tokens=1000 * (1 + number % 5))
        server.write(call, project=project.replace("/", "-"), session=f"s{number % 7}")


def claim(page: Page, server: Server) -> None:
    """Claim a server as Ada, as its terminal says."""
    page.goto(server.claim_url)
    page.get_by_label("Your e-mail").fill("ada@example.com")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_role("button", name="Claim and log in").click()
    page.wait_for_url(f"{server.url}/")


def watch(page: Page, url: str, problems: list[str]) -> None:
    """Note whatever goes wrong in a page. A violation of the content security policy is an error on the console."""
    page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith((url, "data:")) else problems.append(sent.url))


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA and its own best practice."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


def swapped(page: Page, act: Callable[[], object]) -> None:
    """Do something and wait until the page has swapped its body."""
    page.evaluate("window.swaps = 0; addEventListener('htmx:after:swap', () => { window.swaps += 1; }, {once: true})")
    act()
    for _ in range(250):
        page.wait_for_timeout(20)  # also lets what listens to the swap run: charts are drawn
        if page.evaluate("window.swaps"):
            return
    raise AssertionError("nothing was swapped")
