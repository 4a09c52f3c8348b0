"""What each stage command does; the docstrings are the commands' help.

The rooms are imported inside the functions, so that `--help` does not wait for torch.
"""

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from rich.markup import escape

from flows.cli.console import bars, console, print_classes, print_path, print_plan
from flows.cli.prefects import read_prefects_settings

if TYPE_CHECKING:
    from flows.settings.config import RunConfig
    from flows.stages.run import Run


def scan(config: "RunConfig") -> None:
    """List every image: size, bands, hashes, and what is wrong with it; count the classes.

    Bad files are named and left out, never changed or deleted. Splits the images into train, val
    and test (or keeps the given split); copies, scenes and places stay together.

    Prints the classes with their shares, the imbalance ratio and what was left out; the list of
    all images is `manifest.csv` below `data/catalogues/`.

    Example: `terrabalance scan aid.zip --set scan.min_side_px=64 --set split.test=0.3`
    """
    from flows.stages.catalogue import make_catalogue, read_catalogue
    from terrabalance.manifest_csv import is_twin, write_twin

    with bars() as watcher:
        folder = make_catalogue(config, watcher("scan"))
    manifest, listing = read_catalogue(config, folder), folder / "manifest.csv"
    print_classes(manifest)
    if not listing.exists():
        write_twin(manifest.frame, listing)
    elif not is_twin(manifest.frame, listing):
        console.print(
            f"[yellow]{escape(str(listing))}[/] was changed. It is there to be read: what is "
            "changed in it has no effect. Remove it, and the next scan writes it again.",
            soft_wrap=True,
        )
    print_path("Catalogue", listing)


def plan(config: "RunConfig") -> None:
    """Show which classes are minorities, what each gets, and what it will cost.

    Counts the training part only. A class below the target is a minority; `--target`, `--classes`
    and `plan.max_per_real` (synthetic images per real one) decide which are filled and how far.
    The cost of the generators comes from a few steps measured on this machine; what it leaves out,
    as the classifiers of the comparison, and how much is made already is said with it. The plan is
    saved as `reports/<run>/plan.json`.

    Example: `terrabalance plan aid.zip --preset 8gb --target median --set plan.max_per_real=5`
    """
    from flows.stages.plan import made_of, make_plan, read_plan
    from flows.stages.run import Run

    run = Run(config)
    with bars() as watcher:
        path = make_plan(run, watcher("plan"))
    print_plan(read_plan(path), *made_of(run))
    print_path("Plan", path)


def train(config: "RunConfig") -> None:
    """Train one generator for each class that the plan fills. Goes on where it was stopped.

    First a base is trained once on the training part of all classes, from which each class's own
    generator starts (without: `--set strategy=scratch`). Each gets a folder below
    `data/generators/` with the averaged weights, `losses.csv`, `looks.csv` (evaluations on
    validation images), sample grids in `previews/`, and what `tensorboard --logdir
    data/generators` shows.

    Example: `terrabalance train aid.zip --classes Mountain --set training.steps=20000`
    """
    from flows.stages.generators import train_base, train_class
    from flows.stages.run import Run

    run = Run(config)
    _print_nothing_filled(run)
    with bars() as watcher:
        train_base(run, watcher("train the base"))
    for plan in run.filled:
        with bars() as watcher:
            folder = train_class(run, plan.class_name, watcher(f"train {plan.class_name}"))
        print_path(plan.class_name, folder)


def _print_nothing_filled(run: "Run") -> None:
    from flows.stages.comparable import NOTHING_FILLED

    if not run.filled:
        console.print(NOTHING_FILLED, soft_wrap=True)


def sample(config: "RunConfig") -> None:
    """Draw the synthetic images, refuse bad ones, draw on. Skips images that are there.

    Lossless PNG files below `data/synthetic/`, each with its class, generator, seed and run in its
    metadata. Image i of a class depends on the run's seed and on i alone. What is refused and why
    is in each class's manifest (settings of `screening`); `terrabalance review` lets you decide by
    eye.

    Example: `terrabalance sample aid.zip --set sampling.steps=100`
    """
    from flows.stages.run import Run
    from flows.stages.synthetic import synthesize_class

    run = Run(config)
    _print_nothing_filled(run)
    for plan in run.filled:
        with bars() as watcher:
            folder = synthesize_class(run, plan.class_name, watcher(f"sample {plan.class_name}"))
        print_path(plan.class_name, folder)


def assemble(config: "RunConfig") -> None:
    """Put real and synthetic images together as train, val and test folders with a manifest.

    Below `data/datasets/<run>/`. A dataset card says how all was made, and has the lines that load
    it with torchvision, timm and Hugging Face; `class_map.txt` lists the classes in label order.
    Real images are hard links where the disk allows it; synthetic ones are named `synthetic_...`
    and are never in val or test.
    """
    from flows.stages.dataset import assemble_dataset
    from flows.stages.run import Run

    with bars() as watcher:
        folder = assemble_dataset(Run(config), watcher("assemble"))
    print_path("Dataset", folder)


def classify(config: "RunConfig") -> None:
    """Train the classifier of every arm and seed, with and without synthetic images; compare.

    The same network, seeds, schedule and number of optimizer steps for all; tested on the real
    test images. Scores, intervals and the verdict are in `reports/<run>/comparison.json`. The
    arms are those of `classifier.arms`.

    Example: `terrabalance classify aid.zip --weights FILE --set classifier.model=resnet50`
    """
    from flows.stages.compare import compare_arms
    from flows.stages.run import Run

    with bars() as watcher:
        path = compare_arms(Run(config), watcher)
    print_path("Comparison", path)


def report(config: "RunConfig") -> None:
    """Write the report page from what the stages made.

    One HTML page, `reports/<run>/index.html`, that opens offline; `balance.json`, `classes.csv`,
    `comparison.json` and `predictions.csv` beside it are for machines. Without a comparison, the
    page shows the balance and the synthetic images alone.
    """
    from flows.stages.report_page import write_report
    from flows.stages.run import Run

    with bars() as watcher:
        page = write_report(Run(config), watcher("report"))
    print_path("Report", page)


def run(config: "RunConfig") -> None:
    """Do everything: scan, plan, train, sample, assemble, classify, report.

    Runs as the Prefect flow `balance-dataset` on Prefect's embedded server (or on the one that
    PREFECT_API_URL names). Stopped at any moment, the same command goes on where it was. Ends
    with the verdict, what images are missing, and the path of the report.

    Example: `terrabalance run aid.zip --preset 8gb --classes Mountain,Church --target 80%`
    """
    from flows.cli.console import print_missing, print_verdict
    from flows.store.paths import dataset_folder
    from terrabalance.files import read_json

    with bars() as watcher:
        read_prefects_settings()
        from flows.orchestrate.server import need_named_server, some_server
        from flows.orchestrate.stale import tagged
        from flows.stages.progress import watched_by

        if config.execution.runner == "workers":
            need_named_server("execution.runner=workers")
        importing = partial(import_module, "flows.orchestrate.balance")
        with some_server(importing) as server, tagged(server), watched_by(watcher):
            from flows.orchestrate.balance import balance_dataset

            page = balance_dataset(config)
    why_not = read_json(page.with_name("balance.json"))["why_not_compared"]
    if why_not is None:
        print_verdict(page.with_name("comparison.json"))
    else:
        console.print(escape(why_not), soft_wrap=True)
    print_missing(page.with_name("balance.json"))
    print_path("Dataset", dataset_folder(config))
    print_path("Report", page)
