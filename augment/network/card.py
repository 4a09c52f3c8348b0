"""The card of a finished generator: how it was made, as JSON that people can read; no torch."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from augment.network.config import GeneratorConfig
from terrabalance.bands import Bands, bands_from
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_record
from terrabalance.finished import done, refuse_damaged
from terrabalance.wording import unfit

WEIGHTS = "generator.safetensors"
CARD = "card.json"
M = TypeVar("M", bound=BaseModel)
_FIELDS = {"draws": list, "bands": dict, "config": dict}
_NAME_ONE = "Give a folder below data/generators/ (`terrabalance cache list` names them)"


class _Made(BaseModel):
    generator: GeneratorConfig


class DrawingCard(BaseModel):
    """What is needed of a card to draw; it may come from strangers."""

    config: _Made
    classes: tuple[str, ...]
    draws: tuple[str, ...]
    bands: dict[str, Any]
    precision: str


def read_card(folder: Path) -> dict[str, Any]:
    """Return the card of a finished generator, as written by `augment.train.loop`.

    Raises:
        NotReady: the folder holds no finished generator.
        BadInput: it holds another result, one of its files is damaged or gone, or the card is none
            of ours.
    """
    record = done(folder)
    if record is None:
        raise NotReady(
            f"{folder}: no finished generator. {_NAME_ONE}, or run `terrabalance train` first."
        )
    if WEIGHTS not in record.get("files", {}) and not (folder / WEIGHTS).exists():
        raise BadInput(f"{folder}: is no generator. {_NAME_ONE}.")
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
            f"{folder / CARD}: of another version of terrabalance ({unfit(error)}). {remedy}"
        ) from error


def read_drawing_card(folder: Path) -> DrawingCard:
    """Return what is needed of the card of a finished generator to draw.

    Raises:
        NotReady, BadInput: as of `read_card_as`; or it draws no class.
    """
    card = read_card_as(DrawingCard, folder, "Train the generator again.")
    if not card.draws:
        raise BadInput(
            f"{folder}: has learned unlabelled images alone, and draws no class. It is a base for "
            "generators that do: name it with base_from."
        )
    return card


def read_bands(folder: Path) -> Bands:
    """Return the bands of the images that a finished generator draws.

    Raises:
        NotReady, BadInput: as of `read_card`.
    """
    return bands_from(read_card(folder)["bands"], folder / CARD)
