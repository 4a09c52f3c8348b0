"""The values of one trial that validation may choose."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """How an arm is trained and read, as far as this is not the same for all arms.

    Attributes:
        share: of the synthetic images, in [0, 1]; with 0 the arm is trained without them.
        strength: of the correction for rare classes; 1 makes up for their numbers.
        rate: factor of `classifier.learning_rate`.
        weight: of a synthetic image in the loss, where it is weighted; a real one has 1.
        penalty: half of it times the sum of the squared weights is added to the loss (L2).
    """

    share: float = 1.0
    strength: float = 1.0
    rate: float = 1.0
    weight: float = 0.5
    penalty: float = 0.0

    def __str__(self) -> str:
        parts = []
        if self.share != USUAL.share:
            some = f"{100 * self.share:.0f} %" if self.share else "none"
            parts.append(f"{some} of the synthetic images")
        if self.strength != USUAL.strength:
            parts.append(f"strength {self.strength:g}")
        if self.rate != USUAL.rate:
            parts.append(f"{self.rate:g} times the learning rate")
        if self.weight != USUAL.weight:
            parts.append(f"weight {self.weight:g}")
        if self.penalty != USUAL.penalty:
            parts.append(f"penalty {self.penalty:g}")
        return ", ".join(parts)

    def key(self) -> dict[str, Any]:
        """Return what results are named by: as before there were penalties, where there is none."""
        values = asdict(self)
        if self.penalty == USUAL.penalty:
            del values["penalty"]
        return values


USUAL = Setting()
