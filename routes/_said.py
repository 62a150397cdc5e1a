"""What a page with forms says about the last act: a word of success, or what was wrong with which field."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Response, request

from meter.errors import AgentmeterError
from routes._errors import STATUS
from routes._page import is_swap


@dataclass(frozen=True)
class Said:
    """What the last act came to, in which section of the page. typed: the fields as they were sent, '' for absent ones.

    about: the field that `error` is about; '' for an error that is about none of them.
    """

    section: str = ""
    done: str = ""
    error: str = ""
    about: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    def done_in(self, section: str) -> str:
        return self.done if section == self.section else ""

    def error_of(self, section: str, name: str = "") -> str:
        """The error about a field of a section; without a name the one that is about none of its fields."""
        return self.error if (section, name) == (self.section, self.about) else ""

    def typed_in(self, section: str, name: str, otherwise: str = "") -> str:
        return self.typed.get(name, otherwise) if section == self.section else otherwise


def wrong(section: str, error: AgentmeterError, typed: Mapping[str, str]) -> Said:
    """What to say about an error: beside its field where that was sent, else above the form."""
    about = error.field if error.field is not None and error.field in typed else ""
    return Said(section, error=error.message, about=about, typed=typed)


def typed_fields(*names: str) -> dict[str, str]:
    """Fields of the form that was sent; an absent one is ''."""
    return {name: request.form.get(name, "") for name in names}


def ask_again(page: Response, error: AgentmeterError) -> Response:
    """A page or section with its errors, as the answer to the form that was sent."""
    page.status_code = STATUS[type(error)]
    if is_swap():
        page.headers["HX-Reswap"] = "outerMorph show:none"  # other errors leave the page as it is and say so in a toast
    return page
