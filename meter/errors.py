"""What can go wrong, by name. No HTTP here: routes/_errors.py holds the one table of statuses.

Raise the error that says what happened, with a sentence a person can act on:

    raise Invalid("to is before from", field="to")
"""


class AgentmeterError(Exception):
    """Something the caller can be told about.

    message: one plain sentence, safe to show; never a secret, a path of the server, SQL or a stack.
    field: name of the parameter, setting or field it is about, when there is one.
    code: a code documented for exactly this case (SYNC_IN_PROGRESS); without it the class's general code is used.
    retry_after_seconds: when trying again makes sense, when that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        code: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.code = code
        self.retry_after_seconds = retry_after_seconds


class Invalid(AgentmeterError):
    """The input is wrong; `field` names the part."""


class NotSignedIn(AgentmeterError):
    """No credential, or one that is expired, revoked or unknown."""


class Forbidden(AgentmeterError):
    """The credential is good, but not for this."""


class NotFound(AgentmeterError):
    """Absent, or somebody else's: the two are never told apart."""


class Conflict(AgentmeterError):
    """The state does not allow it: already there, already running, already used."""


class TooLarge(AgentmeterError):
    """More bytes or items than are taken at once."""


class TooMany(AgentmeterError):
    """Too many requests in the window; `retry_after_seconds` says when to come back."""


class Unavailable(AgentmeterError):
    """The database or another needed part does not answer now; trying again later is right."""
