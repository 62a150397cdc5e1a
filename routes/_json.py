"""JSON bodies, read into declared shapes."""

import re
from typing import TypeVar

import msgspec
from flask import request

from meter.errors import Invalid

Shape = TypeVar("Shape", bound=msgspec.Struct)
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r"\$\.(\w+)")
_EXPECTED = re.compile(r"Expected `([\w |]+)`")
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list"}


def read_json(shape: type[Shape]) -> Shape:
    """The request's body as `shape`; fields it does not know are ignored.

    Raises Invalid, naming the field where there is one: another Content-Type (a form of another site could send that),
    anything but one JSON object in UTF-8 without NaN and Infinity, a field that is missing or of another kind.
    """
    if not request.is_json:
        raise Invalid("Send JSON, with Content-Type: application/json.")
    try:
        return msgspec.json.decode(request.get_data(cache=False), type=shape)
    except msgspec.ValidationError as error:
        raise _misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Invalid("The body is not JSON.") from None


def _misfit(problem: str) -> Invalid:
    """msgspec's finding in a sentence of ours: `Expected `str`, got `int` - at `$.user``."""
    missing = _MISSING.search(problem)
    if missing:
        return Invalid(f"{missing[1]} is missing.", field=missing[1])
    place = _PLACE.search(problem)
    if place is None:
        return Invalid("The body must be a JSON object.")
    expected = _EXPECTED.match(problem)
    if expected is None:
        return Invalid(f"{place[1]} cannot be used.", field=place[1])
    words = [_WORDS[name] for name in expected[1].split(" | ") if name in _WORDS]
    return Invalid(f"{place[1]} must be {' or '.join(words) or 'something else'}.", field=place[1])
