"""The screening rules, one file each.

To add a rule, write a file with a `RULE` (see `augment.screen.rules.rule`) and put it in `RULES`.
Its name then names a column of the manifest (`score_<name>`) and a limit, so a rule keeps its name.
What was screened before keeps the scores and limits it has; the rules are fitted again for what is
screened from then on.
"""

from augment.screen.rules import (
    colour,
    copy,
    edges,
    near_copy,
    noise,
    off_class,
    outlier,
    repeat,
    sharpness,
)
from augment.screen.rules.rule import ImageRule, Rule, SequenceRule

# In the order of the reasons in the manifest.
RULES: tuple[Rule, ...] = (
    copy.RULE,
    near_copy.RULE,
    off_class.RULE,
    colour.RULE,
    sharpness.RULE,
    edges.RULE,
    noise.RULE,
    outlier.RULE,
    repeat.RULE,
)
NAMES = tuple(rule.name for rule in RULES)
MEANINGS = {rule.name: rule.meaning for rule in RULES}
IMAGE_RULES = tuple(rule for rule in RULES if isinstance(rule, ImageRule))
SEQUENCE_RULES = tuple(rule for rule in RULES if isinstance(rule, SequenceRule))
LIMITED = tuple(rule.name for rule in IMAGE_RULES)
# Rules that work without validation images.
ALWAYS_LIMITED = tuple(
    rule.name for rule in RULES if not isinstance(rule, ImageRule) or rule.training_limit
)
