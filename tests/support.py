"""Small things tests call by name."""

import os
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from meter import login
from meter.login import Account

REQUIRE_ALL = bool(os.environ.get("AGENTMETER_REQUIRE_ALL"))


class Client(FlaskClient):
    """Reads every answer to its end, as a browser does; what runs after an answer has then run."""

    def open(self, *args: Any, buffered: bool = True, **kw: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, **kw)


def skip_or_fail(reason: str) -> None:
    """Leave a test out, loudly; under AGENTMETER_REQUIRE_ALL=1 leaving out is failing."""
    if REQUIRE_ALL:
        pytest.fail(f"required: {reason}")
    pytest.skip(reason)


def browser_of(app: Flask) -> FlaskClient:
    """A browser: it says where its requests come from, as browsers do."""
    client = app.test_client()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return client


def signed_in(app: Flask, account: Account) -> FlaskClient:
    """A browser with a session of `account`, come by the front door: a login link."""
    client = browser_of(app)
    link = login.make_login_link(app.extensions["engine"], app.extensions["secret_keys"], account.email)
    answer = client.post(f"/login/{link.token}")
    assert answer.status_code == 303, answer.text
    return client
