"""The card of a finished generator: how it was made, as JSON that people can read; no torch."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from terrabalance.bands import Bands, bands_from
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_record
from terrabalance.finished import done, refuse_damaged

WEIGHTS = "generator.safetensors"
CARD = "card.json"
M = TypeVar("M", bound=BaseModel)
_FIELDS = {"draws": list, "bands": dict, "config": dict}


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a finished generator, as written by `augment.train.loop`.

    Raises:
        NotReady: the folder holds no finished generator.
        BadInput: one of its files is damaged or gone, or the card is none of ours.
    """
    if done(folder) is None:
        raise NotReady(f"{folder}: no finished generator. Run `terrabalance train` first.")
    refuse_damaged(folder, "the generator")
    return read_record(folder / CARD, _FIELDS)


def read_card_as(model: type[M], folder: Path, remedy: str) -> M:
    """Return what a model names of the card of a finished generator; it may come from strangers.

    Args:
        model: has a field for each part of the card that is needed.
        folder: of the generator.
        remedy: what the user does if the card is of another version.

    Raises:
        NotReady: as of `read_card`.
        BadInput: as of `read_card`; or the card is of another version, or none of ours.
    """
    try:
        return model.model_validate(read_card(folder))
    except ValidationError as error:
        raise BadInput(
            f"{folder / CARD}: of another version of terrabalance ({error.error_count()} fields do "
            f"not fit). {remedy}"
        ) from error


def read_bands(folder: Path) -> Bands:
    """Return the bands of the images that a finished generator draws.

    Raises:
        NotReady, BadInput: as of `read_card`.
    """
    return bands_from(read_card(folder)["bands"], folder / CARD)
