"""What a class's generator is trained with: the settings of the loop, and all of them together."""

from dataclasses import dataclass
from pathlib import Path

from augment.config import GeneratorConfig, TrainingConfig
from augment.network.conditioning import label_of
from terrabalance.bands import RGB, Bands


@dataclass(frozen=True)
class Recipe:
    """All that decides what a class's generator becomes, besides its images.

    Attributes:
        class_name: whose images are given; empty: those of all `classes`.
        generator: the network and its diffusion process.
        training: the loop.
        seed: of the run.
        start: folder of a finished generator of the same network, whose weights training starts
            from (as in arXiv:2211.03264); None: random ones.
        classes: names in the order of the labels, for a network that is told the class; empty:
            one that knows a single class. `class_name` need not be among them.
        bands: of the images.
    """

    class_name: str
    generator: GeneratorConfig
    training: TrainingConfig
    seed: int
    start: Path | None = None
    classes: tuple[str, ...] = ()
    bands: Bands = RGB

    @property
    def label(self) -> int:
        """What the network is told of the class, see `label_of`."""
        return label_of(self.class_name, self.classes)

    @property
    def draws(self) -> tuple[str, ...]:
        """The classes that the generator can draw."""
        return (self.class_name,) if self.class_name else self.classes

    @property
    def title(self) -> str:
        """What people read: the class, or that it is all of them."""
        return self.class_name or "all classes"
