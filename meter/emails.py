"""E-mail addresses and domains as they are stored and compared."""

import re

from meter.errors import Invalid

_A_TO_Z = str.maketrans({chr(letter): chr(letter + 32) for letter in range(ord("A"), ord("Z") + 1)})
_EMAIL = re.compile(r"""[^\s@<>()\[\]\\,;:"]{1,64}@[^\s@<>()\[\]\\,;:"]{1,189}""")


def folded_email(text: str, field: str = "email") -> str:
    """An e-mail address as stored: trimmed, A-Z in lower case and nothing else folded.

    K (Kelvin sign) and ß stay as they are, since they may belong to another mailbox. Raises Invalid on what is no
    address, also on control characters and more than 254 characters.
    """
    email = text.strip().translate(_A_TO_Z)
    if len(email) > 254 or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise Invalid("That is not an e-mail address.", field=field)
    return email


def checked_rule(rule: str, field: str = "rule") -> str:
    """A rule of the whitelist as stored: an address, or an @domain, folded alike. Raises Invalid on anything else."""
    rule = rule.strip()
    return folded_email("x" + rule, field)[1:] if rule.startswith("@") else folded_email(rule, field)
