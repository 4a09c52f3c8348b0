"""The specification of a generator's training: class, network, loop, seed and start."""

from dataclasses import dataclass
from pathlib import Path

from augment.config import TrainingConfig
from augment.network.conditioning import label_of
from augment.network.config import GeneratorConfig
from terrabalance.bands import RGB, Bands


@dataclass(frozen=True)
class TrainingSpec:
    """All that decides a generator, besides its images.

    Attributes:
        class_name: class of the training images; empty: they are of all `classes`, or where there
            are none, without labels.
        generator: the network and its diffusion process.
        training: the loop.
        seed: of the run.
        start: folder of a finished generator of the same network, from whose weights the training
            starts (as in arXiv:2211.03264); None: random weights.
        classes: names in the order of the labels, for a network that is conditioned on the class;
            empty: a network of a single class. `class_name` need not be among them.
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
        """The label of the class, see `label_of`."""
        return label_of(self.class_name, self.classes)

    @property
    def draws(self) -> tuple[str, ...]:
        """The classes that the generator can draw."""
        return (self.class_name,) if self.class_name else self.classes

    @property
    def title(self) -> str:
        """The class, or what the images are of else, for messages."""
        return self.class_name or ("all classes" if self.classes else "unlabelled images")
