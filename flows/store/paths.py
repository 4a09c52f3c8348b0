"""Where everything of a run lives. Pure: asking for a place writes and fetches nothing.

    <workdir>/data/catalogues/<data>-<key>/      manifest, summary.json
    <workdir>/data/catalogues/unlabelled-<key>/  the same of images without labels
    <workdir>/data/generators/base-<key>/        the base, trained on all classes
    <workdir>/data/generators/prior-<key>/       a base of images without labels alone
    <workdir>/data/generators/<class>-<key>/     weights, card, losses, previews
    <workdir>/data/synthetic/<class>-<key>/      images, manifest, screening.json, reviews.json
    <workdir>/data/screeners/                    fitted screening, with features
    <workdir>/data/classifiers/baseline-<key>/   the classifier whose features measure fidelity
    <workdir>/data/classifiers/<arm>-<seed>-<key>/   weights, logits on val and test
    <workdir>/data/classifiers/features/             of the frozen mode
    <workdir>/data/datasets/<run>/               the balanced dataset
    <workdir>/data/uses/<run>/                   which of these a run uses, for `cache prune`
    <workdir>/reports/<run>/                     config, plan, comparison, the report
    <workdir>/exports/<run>-<arm>/               a classifier for other programs

The same command again finds what is there, and a changed setting never overwrites what another run
made: a `<key>` is a hash of all that decides the result (`flows.store.names`). With an address
(s3://...) `<workdir>` is this machine's working copy; see `flows.store.sync`.
"""

from pathlib import Path

from flows.settings.config import RunConfig


def settings_file(config: RunConfig) -> Path:
    """Return the file with the run's settings, by which a run is known."""
    return report_folder(config) / "config.json"


def report_folder(config: RunConfig) -> Path:
    """Return the folder of the run's plan, comparison and report."""
    return config.workdir / "reports" / config.run_name


def catalogues_folder(config: RunConfig) -> Path:
    """Return the folder of the catalogues of all runs."""
    return config.workdir / "data" / "catalogues"


def extracted_folder(config: RunConfig) -> Path:
    """Return the folder of unpacked archives."""
    return config.workdir / "data" / "extracted"


def generators_folder(config: RunConfig) -> Path:
    """Return the folder of the generators of all runs."""
    return config.workdir / "data" / "generators"


def synthetic_folder(config: RunConfig) -> Path:
    """Return the folder of the synthetic images of all runs."""
    return config.workdir / "data" / "synthetic"


def screeners_folder(config: RunConfig) -> Path:
    """Return the folder of what screens synthetic images."""
    return config.workdir / "data" / "screeners"


def dataset_folder(config: RunConfig) -> Path:
    """Return the folder of the run's balanced dataset."""
    return config.workdir / "data" / "datasets" / config.run_name


def classifiers_folder(config: RunConfig) -> Path:
    """Return the folder of the classifiers of all runs."""
    return config.workdir / "data" / "classifiers"


def uses_folder(config: RunConfig) -> Path:
    """Return the folder of the notes of what the run uses."""
    return config.workdir / "data" / "uses" / config.run_name
