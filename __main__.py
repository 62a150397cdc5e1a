"""`agentmeter` and `python -m agentmeter`: the command line.

Apart from app.py, because that imports the web server: commands that need none must not pay for it.
"""

import sys
from pathlib import Path
from typing import Any

HERE = str(Path(__file__).resolve().parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)  # installed as the package `agentmeter`: models, meter and routes lie beside this file

from routes._cli import cli


def create_app(settings: Any = None) -> Any:
    """The application, imported when a command wants it."""
    from app import create_app

    return create_app(settings)


def main() -> None:
    """Run the command line; never returns."""
    cli(obj=create_app, prog_name="agentmeter")


if __name__ == "__main__":
    main()
