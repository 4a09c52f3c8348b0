"""The base that a run names by `base_from` and uses as it is, instead of training one.

What the data now holds does not change it, so a class is trained again only when its own images
changed.
"""

import re
from pathlib import Path

from pydantic import BaseModel

from augment.network.card import WEIGHTS, read_card_as
from augment.network.config import GeneratorConfig
from augment.network.unlabelled import UnlabelledRecord
from flows.settings.config import RunConfig
from flows.store import paths
from flows.store.result import Folder, find
from flows.store.uses import note_use
from terrabalance.bands import Bands
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import content_of, fingerprint
from terrabalance.finished import done

_MADE_BY_A_RUN = re.compile("base-[0-9a-f]{12}")
# Of the network's settings: what only a training or a preview uses, and what is asked of the bands,
# which are the base's.
_FREE = {"bands", "shown_bands", "dropout", "min_snr"}


class _Made(BaseModel):
    generator: GeneratorConfig


class BaseCard(BaseModel):
    """What a base's card must say; it may come from strangers.

    Attributes:
        config: how it was made.
        classes: that it was trained on, in the order of its labels.
        bands: of the images that it draws.
        unlabelled: of images without labels that it has learned; None: of none.
    """

    config: _Made
    classes: tuple[str, ...]
    bands: Bands
    unlabelled: UnlabelledRecord | None = None


def pinned_base(config: RunConfig) -> Path:
    """Return the folder of the base that `base_from` names, fetched where another machine has it.

    Raises:
        NotReady: no finished generator is there.
        BadInput: its network is not the run's, or its card cannot be used.
        StoreUnreachable: it may be in the store, which does not answer.
    """
    place = paths.generators_folder(config)
    folder = place / str(config.base_from)  # a path from the root stays what it is
    if folder.parent != place:
        note_use(config, "base", folder)
    else:
        find(config, Folder(what="the base", place=folder, part="base"))
    if done(folder) is None or not (folder / WEIGHTS).is_file():
        raise NotReady(
            f"base_from: no finished generator in {folder}. Name one that `terrabalance cache "
            "list` shows, or leave base_from out to have a base trained."
        )
    _refuse_misfit(config, folder)
    return folder


def _refuse_misfit(config: RunConfig, folder: Path) -> None:
    theirs = read_base_card(folder).config.generator
    asked, has = (each.model_dump(exclude=_FREE) for each in (config.generator, theirs))
    if differing := [name for name in has if has[name] != asked[name]]:
        values = ", ".join(f"{name} {has[name]} (here {asked[name]})" for name in differing)
        raise BadInput(
            f"base_from: {folder.name} was made with other settings of generator: {values}. Set "
            "those, or name another base."
        )


def read_base_card(folder: Path) -> BaseCard:
    """Return the card of a finished base.

    Raises:
        NotReady: it is not finished.
        BadInput: the card is of another version, or none of ours.
    """
    return read_card_as(BaseCard, folder, "Name another base, or train one.")


def identity_of(config: RunConfig, base: Path) -> str:
    """Return what decides a base, for the names of what starts from it.

    The folder's name where a run gave it, as that says all that decided the base: so what started
    from a base before it was pinned is found again. Else the weights and the classes.
    """
    if base.parent == paths.generators_folder(config) and _MADE_BY_A_RUN.fullmatch(base.name):
        return base.name
    return fingerprint(content_of(base / WEIGHTS), read_base_card(base).classes)
