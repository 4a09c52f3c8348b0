"""Results on images that a run has no more, where several machines share the run."""

from pathlib import Path

from flows.settings.config import RunConfig
from flows.stages.former_results import set_aside_comparison
from flows.store import paths
from flows.store.sync import publish_files
from terrabalance.files import write_text
from terrabalance.progress import silent


def test_a_comparison_of_another_machine_is_set_aside_in_the_store_too(s3, address, on_machine):
    def run() -> RunConfig:
        return RunConfig(data=Path("nowhere"), workdir=address, name="shared")

    made = [paths.report_folder(run()) / name for name in ("predictions.csv", "comparison.json")]
    for path in made:
        write_text(path, f"of {path.name}")
    publish_files(run(), made)
    on_machine("two")
    for _ in range(2):
        set_aside_comparison(run(), silent)
        there = {s3.cat_file(path).decode(): path for path in s3.find(f"{address}/reports/shared")}
        assert set(there) == {"of predictions.csv", "of comparison.json"}
        assert not {Path(path).name for path in there.values()} & {path.name for path in made}
