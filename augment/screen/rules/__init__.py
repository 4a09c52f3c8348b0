"""The screening rules, one file each.

To add a rule, write a file with a `RULE` (see `augment.screen.rules.rule`) and put its name in
`_FILES`. The name of a rule is also that of a column of the manifest (`score_<name>`) and of a
limit, so it never changes. Images that were screened before keep their scores and limits; for all
others the rules are fitted again.
"""

from collections.abc import Sequence
from importlib import import_module

from augment.screen.rules.rule import ImageRule, Rule, SequenceRule

# In the order of the reasons in the manifest.
_FILES = (
    "copy",
    "near_copy",
    "off_class",
    "colour",
    "sharpness",
    "edges",
    "noise",
    "outlier",
    "repeat",
)
RULES: tuple[Rule, ...] = tuple(import_module(f"{__name__}.{file}").RULE for file in _FILES)
IMAGE_RULES = tuple(rule for rule in RULES if isinstance(rule, ImageRule))
SEQUENCE_RULES = tuple(rule for rule in RULES if isinstance(rule, SequenceRule))

NAMES = tuple(rule.name for rule in RULES)
MEANINGS = {rule.name: rule.meaning for rule in RULES}
LIMITED = tuple(rule.name for rule in IMAGE_RULES)
# Rules that apply without validation images: training images or nothing at all set their limits.
ALWAYS_LIMITED = tuple(
    rule.name for rule in RULES if not isinstance(rule, ImageRule) or rule.training_limit
)
# The rules of the first files of fitted rules, whose names do not depend on the rules.
_FIRST = ("copy", "near_copy", "off_class", "colour", "sharpness", "edges", "noise", "outlier")


def rules_key(rules: Sequence[str] = LIMITED) -> list[str]:
    """Return what the rules add to the key of a file of fitted rules.

    Nothing for the rules of the first files, so that those are found again. Any other rules are
    fitted again: a file holds its limits in the order of the rules.
    """
    return [] if tuple(rules) == _FIRST else list(rules)
