"""Names of classes that look the same and are not the same text."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from terrabalance.wording import in_short

_NAMED = 3  # sets of names in a sentence


def one_form(name: str) -> str:
    """Return a name in the normal form C of Unicode.

    macOS writes an accent as a character of its own, others do not: the text is the same.
    """
    return unicodedata.normalize("NFC", name)


def told_alike(names: Iterable[str]) -> str:
    """Return which names differ in case, white space, width or invisible characters only.

    Such characters are escaped; "" where there are no such names.
    """
    found = defaultdict(list)
    for name in sorted(names):
        found[_as_read(name)].append(repr(name))
    return in_short([" and ".join(same) for same in found.values() if len(same) > 1], _NAMED)


def _as_read(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(each for each in folded if unicodedata.category(each)[0] not in "CZ")
