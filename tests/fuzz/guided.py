"""Inputs that find new paths through our code: `python -m tests.fuzz.guided TARGET -runs=10000`.

Coverage-guided, by atheris (the extra `fuzz`); the changes are those of `targets`. A kind that is
not refused in a sentence ends it with a trace; libFuzzer's options follow the target.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

import atheris

from terrabalance.errors import TerrabalanceError

from .mutate import any_bytes

_ROOMS = ("terrabalance", "augment", "classifier", "flows")

with atheris.instrument_imports(include=list(_ROOMS)):
    from .targets import targets


def main() -> None:
    """Fuzz one target until libFuzzer's options say that it is enough."""
    name = sys.argv.pop(1)
    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    (made := home / "seeds").mkdir()
    target = targets(home / "targets")[name]
    valid = target.seeds(made)
    folder = home / "input"

    def read(data: bytes) -> None:
        folder.mkdir()
        try:
            target.input_in(folder).write_bytes(data)
            with contextlib.suppress(TerrabalanceError):
                target.read(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def change(data: bytes, most_bytes: int, seed: int) -> bytes:
        draw = Random(seed)
        known = data if len(data) > 1 else draw.choice(valid)
        try:
            return target.mutate(known, draw)[:most_bytes]
        except Exception:  # of a frame that is broken already
            return any_bytes(known, draw)[:most_bytes]

    atheris.Setup([sys.argv[0], "-max_len=65536", *sys.argv[1:]], read, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
