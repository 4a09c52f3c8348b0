"""The card of a trained classifier: what it was trained with, and on."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from classifier.config import ClassifierConfig
from terrabalance.bands import Bands, bands_from
from terrabalance.errors import BadInput
from terrabalance.files import MADE_ANEW, read_record
from terrabalance.sizes import Size
from terrabalance.wording import unfit


@dataclass(frozen=True)
class Card:
    """What `card.json` says of a trained classifier.

    Attributes:
        config: that it was trained with.
        classes: names, in label order.
        n_train: training images of each, in that order.
        bands: how its images are read.
        resolution: size in pixels that they are reduced to first.
    """

    config: ClassifierConfig
    classes: list[str]
    n_train: list[int]
    bands: Bands
    resolution: Size


def read_card(folder: Path) -> Card:
    """Read the card of the classifier that was trained in `folder`.

    Raises:
        BadInput: it is gone, damaged, of another version, or none of ours.
    """
    path = folder / "card.json"
    card = read_record(path, {"config": dict, "bands": dict, "classes": list, "n_train": dict})
    try:
        config = ClassifierConfig.model_validate(card["config"])
    except ValidationError as error:
        raise BadInput(
            f"{path}: of another version of terrabalance ({unfit(error)}). {MADE_ANEW}"
        ) from error
    side = card.get("resolution")
    size: Size = (int(side[0]), int(side[1])) if isinstance(side, list) else int(side or 0)
    counts = [int(card["n_train"].get(name, 0)) for name in card["classes"]]
    return Card(config, card["classes"], counts, bands_from(card["bands"], path), size)
