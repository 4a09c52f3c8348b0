"""`terrabalance compare`: compare classifiers on any dataset."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli import options
from flows.cli.configure import configure, names
from flows.cli.console import bars, print_path
from terrabalance.errors import BadInput

if TYPE_CHECKING:
    from flows.settings.config import RunConfig

# What a comparison reads of a run's settings, and what of that only a scan of the data reads.
_READ = (
    "preset", "workdir", "name", "device", "drawn", "catalogue", "images", "scan", "split", "seed",
    "classifier", "execution.per_device", "execution.slots", "base_from", "generator.bands",
    "generator.shown_bands",
)  # fmt: skip
_OF_A_SCAN = {"catalogue", "images", "scan", "split", "seed"}
_OF_A_BASE = "generator"  # that `base_from` names has to be of the same settings


def compare(
    data: options.Data,
    arms: options.Arms = None,
    seeds: options.Seeds = None,
    tries: options.Tries = None,
    resolution: options.Resolution = None,
    preset: options.Preset = None,
    config_file: options.ConfigFile = None,
    settings: options.Settings = None,
    weights: options.Weights = None,
    images: options.Images = None,
    group_by: options.GroupBy = None,
    workdir: options.Workdir = None,
    name: options.Name = None,
    device: options.Device = None,
) -> None:
    """Compare classifiers on a balanced dataset, a manifest, or data without synthetic images.

    DATA is a folder below data/datasets/, a manifest.parquet, or a run by its name or report
    folder, whose dataset and settings of the classifier are taken. A CSV may also have the column
    `source` (real, synthetic), so that images from anywhere can be compared. Every arm gets the
    same network, steps, schedule and seeds; validation chooses, test is opened once, at the end.
    Goes on where it was stopped. The page is `reports/<name>/index.html`.

    Example: `terrabalance compare data/datasets/aid-cpu-1f2e3d --arms real,class-weight,synthetic`
    """
    classifier = {
        "arms": names("--arms", arms),
        "seeds": names("--seeds", seeds),
        "tries": tries,
        "weights": weights,
        "resolution": resolution,
    }
    given = {
        "preset": preset,
        "images": images,
        "scan": {"group_by": group_by},
        "workdir": workdir,
        "name": name,
        "device": device,
        "classifier": classifier,
    }
    data, given = _of_a_run(data, given)
    config = configure(data, given, config_file, settings)
    _refuse_without_effect(config, given, settings or [])
    # After all checks of what was given: importing them loads torch.
    from flows.cli.console import print_verdict
    from flows.stages.compare import compare_manifest

    with bars() as watcher:
        page = compare_manifest(config, watcher)
    print_verdict(page.with_name("comparison.json"))
    print_path("Comparison", page)


def _of_a_run(data: Path, given: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Return a run's dataset for the run, and what is given beside the run's own classifier.

    Raises:
        BadInput: the run has no balanced dataset.
    """
    from flows.settings.presets import merge
    from flows.settings.reading import without_none
    from flows.store.begun import begun_run
    from flows.store.paths import dataset_folder

    begun = begun_run(data, given["workdir"])
    if begun is None:
        return data, given
    dataset = dataset_folder(begun)
    if not dataset.is_dir():
        raise BadInput(
            f"{data}: the run has no balanced dataset in {dataset}. `terrabalance assemble {data}` "
            "makes it; or give a dataset, a manifest, or the images themselves."
        )
    own = {
        "classifier": begun.classifier.model_dump(mode="json"),
        "workdir": str(begun.storage or begun.workdir),
    }
    kept = {"images": given["images"], "scan": given["scan"]}  # looked at, also where None
    return dataset, merge(own, without_none(given)) | kept


def _refuse_without_effect(config: "RunConfig", given: dict[str, Any], settings: list[str]) -> None:
    """Refuse what is given on the command line and cannot change the comparison.

    A file of settings is shared with other commands, so that what it holds beside is let through.

    Raises:
        BadInput: an option or setting without effect, or data that cannot be used.
    """
    from augment.catalogue.sources import check_source
    from flows.settings.reading import fields_of
    from flows.stages.comparable import manifest_of

    fields = {setting: fields_of(setting) for setting in settings}
    read = {*_READ, _OF_A_BASE} if config.base_from else {*_READ}
    if idle := [each for each, named in fields.items() if not all(_is_in(read, n) for n in named)]:
        raise BadInput(
            f"--set {idle[0]}: a comparison does not read it. Leave it out. `compare` takes "
            f"{', '.join(_READ)}."
        )
    if manifest_of(config.data) is None:
        check_source(config.data, config.images)
        return
    of_a_scan = [s for s, named in fields.items() if any(_is_in(_OF_A_SCAN, n) for n in named)]
    idle = [f"--set {each}" for each in of_a_scan]
    options_given = {"--images": given["images"], "--group-by": given["scan"]["group_by"]}
    idle += [option for option, value in options_given.items() if value is not None]
    if idle:
        raise BadInput(
            f"{', '.join(idle)}: has no effect on {config.data}, whose manifest says where its "
            "images are and of which part each is. Leave it out, or give the images themselves."
        )


def _is_in(settings: Collection[str], field: str) -> bool:
    """Return whether a field, or the section that it is of, is among some settings."""
    return field in settings or field.partition(".")[0] in settings
