"""Where everything of a run lives: one folder per result, named by all that decided it.

The same command again finds what is there, and a changed setting never overwrites what another
run made:

    <workdir>/data/catalogues/<data>-<key>/      manifest, summary.json
    <workdir>/data/generators/base-<key>/        the same of the base, trained on all classes
    <workdir>/data/generators/<class>-<key>/     weights, card, losses, previews
    <workdir>/data/synthetic/<class>-<key>/      images, manifest, screening.json, reviews.json
    <workdir>/data/screeners/                    what judges synthetic images, with features
    <workdir>/data/classifiers/baseline-<key>/   whose features judge generated images
    <workdir>/data/classifiers/<arm>-<seed>-<key>/   weights, logits on val and test
    <workdir>/data/classifiers/features/             of the frozen mode
    <workdir>/data/datasets/<run>/               the balanced dataset
    <workdir>/data/uses/<run>/                   which of these a run uses, for `cache prune`
    <workdir>/reports/<run>/                     config, plan, comparison, the report

Of an address (s3://...) `<workdir>` is this machine's working copy; see `flows.store.sync`.
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from augment.catalogue.sources import Source
from augment.config import NOT_RESULT, TrainingConfig
from augment.plan import ClassJob
from classifier.config import CHOICES, TRAINED_HERE
from flows.settings.config import RunConfig
from flows.store.bands import bands_of
from flows.store.pinned_base import identity_of, pinned_base
from flows.store.sync import fetch_file, publish_files
from terrabalance.errors import BadInput
from terrabalance.files import content_of, fingerprint, read_json, slug, write_json
from terrabalance.manifest import Manifest

# Raise when a stage's files would come out different for the same settings.
FORMAT = 8


def report_folder(config: RunConfig) -> Path:
    """Return `reports/<run>`, with the run's settings in `config.json`.

    Raises:
        BadInput, StoreUnreachable: as of `is_begun`.
    """
    path = _settings_file(config)
    if not is_begun(config):
        write_json(path, config.model_dump(mode="json"))
        publish_files(config, [path])
    return path.parent


def is_begun(config: RunConfig) -> bool:
    """Say whether the run has its folder below `reports/`; writes nothing there.

    Raises:
        BadInput: the run's name belongs to a run with other settings, or the store of an address
            cannot be used.
        StoreUnreachable: it does not answer.
    """
    path = _settings_file(config)
    if not path.exists():
        fetch_file(config, path)
    if path.exists() and _key_of(path) != config.result_key:
        raise BadInput(
            f"a run named {config.run_name!r} with other settings is in {path.parent}. "
            "Choose another --name, or none to have one made."
        )
    return path.exists()


def _settings_file(config: RunConfig) -> Path:
    return config.workdir / "reports" / config.run_name / "config.json"


def _key_of(path: Path) -> str:
    try:
        return RunConfig(**read_json(path)).result_key
    except ValidationError as error:
        raise BadInput(
            f"{path}: settings of another version of terrabalance ({error.error_count()} fields do "
            "not fit). Choose another --name."
        ) from error


def catalogue_folder(config: RunConfig, source: Source) -> Path:
    """Return where the catalogue of a source lives, or will; a changed file is a new source."""
    stats = [(source.root / entry.path).stat() for entry in source.entries]
    listing = [
        (entry.path, entry.class_name, entry.split, entry.source, stat.st_size, stat.st_mtime_ns)
        for entry, stat in zip(source.entries, stats, strict=True)
    ]
    settings = [config.scan.key(), config.split.key(), config.seed]
    key = fingerprint(FORMAT, str(source.root), listing, settings)
    stem = slug(config.data.name.split(".")[0])
    return config.workdir / "data" / "catalogues" / f"{stem}-{key}"


def note_catalogue(config: RunConfig, source: Source, catalogue: Path) -> None:
    """Remember that a run uses a catalogue, and the unpacked archive that it lists."""
    note_use(config, "catalogue", catalogue)
    extracted = config.workdir / "data" / "extracted"
    if source.root.is_relative_to(extracted):
        note_use(config, "extracted", extracted / source.root.relative_to(extracted).parts[0])


def note_use(config: RunConfig, part: str, result: Path) -> Path:
    """Remember that a run uses a result, for `terrabalance cache`; return the result.

    A file a part, as the parts of a run may be made by several processes at once. What a run used
    in the same part before, of data that changed since, is forgotten.
    """
    data = config.workdir / "data"
    path = data / "uses" / config.run_name / f"{slug(part)}.json"
    use = {"part": part, "result": result.relative_to(data).as_posix()}
    if not path.is_file() or read_json(path) != use:
        write_json(path, use)
    return result


def base_folder(config: RunConfig, manifest: Manifest) -> Path | None:
    """Return where the generator of all classes lives, or will; None where there is none.

    Raises:
        NotReady, BadInput, StoreUnreachable: of a base that is named, as of `pinned_base`.
    """
    if config.base_from is None:
        return manifest.once(("base", config), lambda: _base_folder(config, manifest))
    base = pinned_base(config)
    within = base.is_relative_to(config.workdir / "data")  # what lies elsewhere is not pruned
    return note_use(config, "base", base) if within else base


def _base_folder(config: RunConfig, manifest: Manifest) -> Path | None:
    rows = manifest.usable("train")
    if config.strategy == "scratch" or rows["class"].nunique() < 2:
        return None
    images = sorted(zip(rows["class"], rows["sha256"], strict=True))
    recipe = _recipe(config, manifest, config.base, manifest.usable("val"))
    key = fingerprint(FORMAT, "base", recipe, images)
    return note_use(config, "base", config.workdir / "data" / "generators" / f"base-{key}")


def _recipe(
    config: RunConfig, manifest: Manifest, training: TrainingConfig, held_out: pd.DataFrame
) -> list[Any]:
    loop = training.key(NOT_RESULT)
    bands = asdict(bands_of(config, manifest))
    judged = [_listing(held_out), _judge(config, manifest)] if training.evaluations else []
    return [config.generator.key(), bands, loop, config.seed, judged]


def _listing(rows: pd.DataFrame) -> list[str]:
    return sorted(rows["class"] + " " + rows["sha256"])


def _judge(config: RunConfig, manifest: Manifest) -> list[Any]:
    """Return what decides the features by which images are judged."""
    judge = config.fidelity
    if judge.model == TRAINED_HERE:
        return [judge.image_size, baseline_folder(config, manifest).name]
    weights = "hub" if judge.weights is None else content_of(judge.weights)
    return [judge.model, judge.image_size, weights]


def baseline_folder(config: RunConfig, manifest: Manifest) -> Path:
    """Return where the classifier lives, or will, whose features judge generated images."""
    return manifest.once(("baseline", config), lambda: _baseline_folder(config, manifest))


def _baseline_folder(config: RunConfig, manifest: Manifest) -> Path:
    images = _listing(manifest.usable("train"))
    settings = config.classifier.key((CHOICES | {"frozen"}) - {"weights"})
    size, bands = config.generator.image_size, asdict(bands_of(config, manifest))
    key = fingerprint(FORMAT, "baseline", size, bands, settings, images)
    return note_use(config, "baseline", classifiers_folder(config) / f"baseline-{key}")


def generator_folder(config: RunConfig, manifest: Manifest, class_name: str) -> Path:
    """Return where a class's generator lives, or will.

    Raises:
        NotReady, BadInput, StoreUnreachable: as of `base_folder`.
    """
    rows = manifest.usable("train", class_name)
    base = base_folder(config, manifest)
    if base is not None and config.strategy == "conditional":
        return base
    recipe = _recipe(config, manifest, config.training, manifest.usable("val", class_name))
    start = base and identity_of(config, base)
    key = fingerprint(FORMAT, class_name, recipe, start, list(rows["sha256"]))
    folder = config.workdir / "data" / "generators" / f"{slug(class_name)}-{key}"
    return note_use(config, f"generator {class_name}", folder)


def synthetic_folder(config: RunConfig, manifest: Manifest, job: ClassJob) -> Path:
    """Return where a class's synthetic images live, or will."""
    generator = generator_folder(config, manifest, job.class_name)
    parts = [manifest.once(("listing", split), partial(_part, manifest, split))
             for split in ("train", "val")]  # fmt: skip
    judged: list[Any] = [config.screening.key()]
    if config.screening.enabled:
        judged += [_judge(config, manifest), *parts]
    elif config.sampling.match_spectrum:  # which the images of other classes help to estimate
        judged += parts[:1]
    key = fingerprint(FORMAT, generator.name, config.sampling.key(), job.n_needed, judged)
    folder = config.workdir / "data" / "synthetic" / f"{slug(job.class_name)}-{key}"
    return note_use(config, f"synthetic {job.class_name}", folder)


def _part(manifest: Manifest, split: str) -> str:
    return fingerprint(_listing(manifest.usable(split)), length=32)


def screeners_folder(config: RunConfig) -> Path:
    """Return where what judges synthetic images lives."""
    return config.workdir / "data" / "screeners"


def dataset_folder(config: RunConfig) -> Path:
    """Return where the balanced dataset of the run lives, or will."""
    return config.workdir / "data" / "datasets" / config.run_name


def classifiers_folder(config: RunConfig) -> Path:
    """Return where the classifiers of all runs live, a folder each."""
    return config.workdir / "data" / "classifiers"
