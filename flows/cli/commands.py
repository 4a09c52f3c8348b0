"""What each stage command does; the docstrings are the commands' help.

The rooms are imported inside the functions, so that `--help` does not wait for torch.
"""

from typing import TYPE_CHECKING

from flows.cli.console import bars, print_classes, print_path, print_plan

if TYPE_CHECKING:
    from flows.settings.config import RunConfig


def scan(config: "RunConfig") -> None:
    """List every image: size, bands, hashes, and what is wrong with it; count the classes.

    Bad files are named and left out, never changed or deleted. Splits the images into train, val
    and test (or keeps the given split), near-duplicates together.

    Prints the classes with their shares, the imbalance ratio and what was left out; the list of
    all images is `manifest.csv` below `data/catalogues/`.

    Example: `terrabalance scan aid.zip --set scan.min_side_px=64 --set split.test=0.3`
    """
    from flows.stages import stages
    from terrabalance.manifest import read_manifest

    with bars() as watcher:
        folder = stages.make_catalogue(config, watcher("scan"))
    print_classes(read_manifest(folder))
    print_path("Catalogue", folder / "manifest.csv")


def plan(config: "RunConfig") -> None:
    """Show which classes are minorities, what each gets, and what it will cost.

    Counts the training part only. A class below the target is a minority; `--target`, `--classes`
    and `plan.max_per_real` (synthetic images per real one) decide which are filled and how far.
    The cost of the generators comes from a few steps measured on this machine; how much of it is
    made already is said below it. The plan is saved as `reports/<run>/plan.json`.

    Example: `terrabalance plan aid.zip --preset 8gb --target median --set plan.max_per_real=5`
    """
    from flows.stages import stages
    from terrabalance.files import read_json

    stages.check_classifier(config, from_hub=False)
    path = stages.make_plan(config)
    print_plan(read_json(path), *stages.made_of(config))
    print_path("Plan", path)


def train(config: "RunConfig") -> None:
    """Train one generator for each class that the plan fills. Goes on where it was stopped.

    First a base is trained once on the training part of all classes, from which each class's own
    generator starts (without: `--set strategy=scratch`). Each gets a folder below
    `data/generators/` with the averaged weights, `losses.csv`, `looks.csv` (evaluations on
    validation images), sample grids in `previews/`, and what `tensorboard --logdir
    data/generators` shows.

    Example: `terrabalance train aid.zip --classes Mountain --set generators.steps=20000`
    """
    from flows.stages import generators, stages
    from flows.store.devices import on_devices

    jobs = stages.load_jobs(config)
    with on_devices(config, config.execution.devices_per_class) as here:
        with bars() as watcher:
            generators.train_base(here, watcher("train the base"))
        for job in jobs:
            with bars() as watcher:
                label = f"train {job.class_name}"
                folder = generators.train_class(here, job.class_name, watcher(label))
            print_path(job.class_name, folder)


def sample(config: "RunConfig") -> None:
    """Draw the synthetic images, refuse bad ones, draw on. Skips images that are there.

    Lossless PNG files below `data/synthetic/`, each with its class, generator, seed and run in its
    metadata. Image i of a class depends on the run's seed and on i alone. What is refused and why
    is in each class's manifest (settings of `screening`); `terrabalance review` lets you decide by
    eye.

    Example: `terrabalance sample aid.zip --set sampling.steps=100`
    """
    from flows.stages import stages
    from flows.store.devices import on_devices

    with on_devices(config) as here:
        for job in stages.load_jobs(here):
            with bars() as watcher:
                label = f"sample {job.class_name}"
                folder = stages.synthesize_class(here, job.class_name, watcher(label))
            print_path(job.class_name, folder)


def assemble(config: "RunConfig") -> None:
    """Put real and synthetic images together as train, val and test folders with a manifest.

    Below `data/datasets/<run>/`, for torchvision's ImageFolder, timm's scripts and Hugging Face's
    imagefolder loader. Real images are hard links where the disk allows it; synthetic ones are
    named `synthetic_...` and are never in val or test. A dataset card says how all was made.
    """
    from flows.stages import stages

    with bars() as watcher:
        folder = stages.assemble_dataset(config, watcher("assemble"))
    print_path("Dataset", folder)


def classify(config: "RunConfig") -> None:
    """Train the classifier of every arm and seed, with and without synthetic images; compare.

    The same network, seeds, schedule and number of optimizer steps for all; judged on the real
    test images. Scores, intervals and the verdict are in `reports/<run>/comparison.json`. The
    arms are those of `classifier.arms`.

    Example: `terrabalance classify aid.zip --weights FILE --set classifier.model=resnet50`
    """
    from classifier.train.experiment import trainings_of
    from flows.stages import stages
    from flows.store.devices import on_devices

    with on_devices(config) as here:
        for training in trainings_of(here.classifier):
            with bars() as watcher:
                stages.classify(here, training, watcher(f"classify {training}"))
        print_path("Comparison", stages.compare_arms(here))


def report(config: "RunConfig") -> None:
    """Write the report page from what the stages made.

    One HTML page, `reports/<run>/index.html`, that opens offline; `balance.json`, `classes.csv`,
    `comparison.json` and `predictions.csv` beside it are for machines. Without a comparison, the
    page shows the balance and the synthetic images alone.
    """
    from flows.stages.report import write_report

    print_path("Report", write_report(config))


def run(config: "RunConfig") -> None:
    """Do everything: scan, plan, train, sample, assemble, classify, report.

    Runs as the Prefect flow `balance-dataset` on Prefect's embedded server (or on the one that
    PREFECT_API_URL names). Stopped at any moment, the same command goes on where it was. Ends
    with the verdict, what images are missing, and the path of the report.

    Example: `terrabalance run aid.zip --preset 8gb --classes Mountain,Church --target 80%`
    """
    from flows.cli.console import print_missing, print_verdict

    with bars() as watcher:
        from prefect import tags

        from flows.orchestrate.automations import TAG
        from flows.orchestrate.embedded import embedded_server
        from flows.orchestrate.flows import balance_dataset
        from flows.stages.progress import watched_by

        with embedded_server(), watched_by(watcher), tags(TAG):
            page = balance_dataset(config)
    print_verdict(page.with_name("comparison.json"))
    print_missing(page.with_name("balance.json"))
    print_path("Report", page)
