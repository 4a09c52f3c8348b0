import shutil

import numpy as np
import pytest
import rasterio

from flows.settings.config import RunConfig
from flows.stages.catalogue import make_catalogue
from flows.stages.run import Run
from terrabalance.rasters.decode import decode

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_another_machine_fetches_what_lies_beside_an_image(address, on_machine, tiny, tmp_path):
    """The headers of ENVI, without which no image could be read there."""
    data, rng, wanted = tmp_path / "raw", np.random.default_rng(0), []
    for path in (data / name / f"{n}.dat" for name in ("Lake", "Pond") for n in range(6)):
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.kron(rng.integers(1, 3000, (3, 4, 4)), np.ones((1, 6, 6))).astype(np.uint16)
        with rasterio.open(path, "w", driver="ENVI", count=3, height=24, width=24, dtype="uint16",
                           crs=None, transform=None) as file:  # fmt: skip
            file.write(values)
        wanted.append(values)
    config = RunConfig(data=data, workdir=address, **tiny)
    folder = make_catalogue(config)
    shutil.rmtree(data)
    on_machine("other")
    run = Run(RunConfig(data=data, catalogue=folder.name, workdir=address, **tiny))
    found = [decode(path).pixels for path in run.catalogue.unchanged(run.catalogue.usable())]
    np.testing.assert_array_equal(found, wanted)
