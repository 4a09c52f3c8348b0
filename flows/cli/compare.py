"""`terrabalance compare`: compare classifiers on any dataset."""

from flows.cli import options
from flows.cli.configure import configure, names
from flows.cli.console import bars, print_path


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

    DATA is a folder below data/datasets/ or a manifest.parquet; a CSV may also have the column
    `source` (real, synthetic), so that images from anywhere can be compared. Every arm gets the
    same network, steps, schedule and seeds; validation chooses, test is opened once, at the end.
    Goes on where it was stopped. The page is `reports/<name>/index.html`.

    Example: `terrabalance compare data/datasets/aid-cpu-1f2e3d --arms real,class-weight,synthetic`
    """
    from flows.cli.console import print_verdict
    from flows.stages.compare import compare_manifest

    classifier = {
        "arms": names(arms),
        "seeds": names(seeds),
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
    config = configure(data, given, config_file, settings)
    with bars() as watcher:
        page = compare_manifest(config, watcher)
    print_verdict(page.with_name("comparison.json"))
    print_path("Comparison", page)
