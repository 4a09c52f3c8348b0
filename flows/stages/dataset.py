"""Put real and synthetic images together."""

from pathlib import Path
from typing import Any

from augment.dataset.assemble import assemble, dataset_key, is_assembled
from augment.network.card import CARD, read_card
from flows.settings.config import RunConfig
from flows.stages.class_images import synthetic_folders
from flows.stages.run import Run
from flows.store import paths
from flows.store.result import Folder, make_once, require
from flows.store.sync import peek
from flows.store.uses import begin, claim_dataset, is_begun
from terrabalance.files import parse_json
from terrabalance.finished import done
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.progress import Progress, silent

DRAWN_NOTICE = (
    "These scenes were drawn by terrabalance to try the pipeline. They are not real aerial images, "
    "and no figure on this page says anything about real ones."
)


class Parts:
    """What a balanced dataset is made of.

    Args:
        run: whose classes all have their images.

    Attributes:
        folders: class -> folder of its synthetic images.
        synthetic: manifests of the synthetic images.
        about: what the dataset card says.
        key: a hash of all that goes into the dataset.

    Raises:
        NotReady: a class lacks its images.
    """

    def __init__(self, run: Run) -> None:
        config, self.folders = run.config, synthetic_folders(run)
        generators = [run.names.generator(name) for name in self.folders]
        self.synthetic: list[Manifest] = [read_manifest(path) for path in self.folders.values()]
        self.about: dict[str, Any] = {
            "name": config.run_name,
            **({"notice": DRAWN_NOTICE} if config.drawn else {}),
            "seed": config.seed,
            "generators": {folder.name: _card_of_result(config, folder) for folder in generators},
            "sampling": config.sampling.model_dump(),
        }
        self.key = dataset_key(run.catalogue, self.synthetic, self.about)


def assemble_dataset(run: Run, on_progress: Progress = silent) -> Path:
    """Put real and synthetic images together; return the balanced dataset's folder.

    Raises:
        NotReady: a class lacks its images.
        BadInput: another run's dataset of that name is there.
    """
    is_begun(run.config)  # refuses a name that is taken, before any work
    parts = Parts(run)  # refuses a run without its images, before there is a folder
    dataset = _dataset(run, parts.key)
    claim_dataset(run.config)
    begin(run.config)

    def make(_devices: object, listener: Progress) -> None:
        assemble(run.catalogue, parts.synthetic, dataset.place, parts.about, listener)

    return make_once(run.config, dataset, make, on_progress)


def load_dataset(run: Run, key: str) -> Manifest:
    """Return the balanced dataset's manifest.

    Args:
        run: whose dataset.
        key: of its `Parts`.

    Raises:
        NotReady: the dataset is not there, or of other images than the run now has.
    """
    how = "Run `terrabalance assemble` with the same options first; one that is damaged it mends."
    return read_manifest(require(run.config, _dataset(run, key), how))


def _dataset(run: Run, key: str) -> Folder:
    folder = paths.dataset_folder(run.config)
    return Folder(
        what="the balanced dataset of these images",
        place=folder,
        is_made=lambda: is_assembled(folder, key),
        changes=True,
    )


def card_of(config: RunConfig, generator: Path) -> dict[str, Any]:
    """Return a generator's card; of one that another machine trained, without its weights.

    Raises:
        NotReady: it is not trained.
    """
    data = None if done(generator) is not None else peek(config, generator, CARD)
    if data is None:
        return read_card(generator)
    return dict(parse_json(data, f"{generator.name}/{CARD}"))


def _card_of_result(config: RunConfig, generator: Path) -> dict[str, Any]:
    """Return a generator's card less what differs between two trainings of the same result."""
    differs = {"seconds", "peak_memory_bytes"}
    return {key: value for key, value in card_of(config, generator).items() if key not in differs}
