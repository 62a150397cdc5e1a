"""`python bench/bare_page.py`: serves one bare Flask page with our server's own settings, to compare pages with."""

import sys
from pathlib import Path


def main() -> None:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from flask import Flask

    from meter.settings import load
    from routes._serve import Server, _options, listen

    app, settings = Flask("bare"), load()

    @app.get("/")
    def page() -> str:
        return "<!doctype html><title>Bare</title><p>Nothing here."

    listener = listen(settings)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True)
    Server(app, _options(settings, listener.detach())).run()


if __name__ == "__main__":
    main()
