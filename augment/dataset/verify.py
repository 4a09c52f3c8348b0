"""Check an assembled dataset against its manifest, and the marks of its synthetic images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from augment.dataset.beside import OWN, problems_beside
from augment.dataset.placing import files_of
from augment.dataset.replacing import files_in
from augment.screen.refused import images_beside, refused_since
from terrabalance.errors import BadInput, NotReady, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.marks import is_marked_synthetic, lost_marks
from terrabalance.progress import Progress, silent
from terrabalance.rasters.beside import listed_beside
from terrabalance.system_errors import in_words

# And of one class's synthetic images.
_OWN = OWN | {"strip.png", "spectrum.json", "screening.json", "reviews.json", ".screening.lock"}


@dataclass(frozen=True)
class Problem:
    """A problem of a dataset.

    Attributes:
        path: of the file or folder, relative to the dataset.
        kind: `missing`, `changed`, `unreadable` (the system refuses it, so nothing more is known of
            it), `unmarked` (a synthetic image without its marks), `posing` (a real one with the
            mark of a synthetic one), `misplaced` (a synthetic one in val or test), `refused` (by
            people, since it was put there), `unknown` (no row of the manifest) or `outside` (a row
            that leaves the dataset).
        detail: more about it.
    """

    path: str
    kind: str
    detail: str


def verify(folder: Path, on_progress: Progress = silent) -> list[Problem]:
    """Check every file of a dataset against its manifest; read-only.

    Args:
        folder: of a dataset that `augment.dataset.assemble` made, or of one class's synthetic
            images.
        on_progress: called for each file.

    Returns:
        The problems, by path; none for a dataset as it was made.

    Raises:
        NotReady: the folder holds no manifest.
        BadInput: no such folder, or its manifest describes files elsewhere, as a catalogue does.
    """
    if not folder.exists():
        raise BadInput(f"{folder}: no such file or folder. Check the path.")
    if not (folder / "manifest.parquet").is_file():
        raise NotReady(
            f"{folder}: holds no manifest. Give a folder below data/datasets/ of the workdir."
        )
    manifest = read_manifest(folder)
    if manifest.root.resolve() != folder.resolve():
        raise BadInput(
            f"{folder}: its manifest is of images in {manifest.root}. Name a dataset's folder, "
            "such as data/datasets/<run>."
        )
    beside = (Problem(*found) for found in problems_beside(manifest))
    refused = refused_since(manifest.frame, images_beside(folder))
    by_eye = (
        Problem(path, "refused", why)
        for path, why in zip(manifest.frame["path"][refused.index], refused, strict=True)
    )
    rows = _problems_of_rows(manifest, on_progress)
    problems = [*rows, *beside, *by_eye, *_unknown(manifest)]
    return sorted(problems, key=lambda problem: (problem.path, problem.kind))


def _problems_of_rows(manifest: Manifest, on_progress: Progress) -> Iterator[Problem]:
    rows = manifest.frame
    columns = (rows[name] for name in ("path", "split", "source", "sha256", "beside"))
    for count, (path, split, source, sha256, beside) in enumerate(zip(*columns, strict=True), 1):
        synthetic = source == "synthetic"
        if synthetic and split != "train":
            yield Problem(path, "misplaced", f"a synthetic image in split {split}")
        try:
            yield from _problems_of_file(path, inside(manifest.root, path), sha256, synthetic)
            for name, listed in listed_beside(beside).items():
                yield from _problems_beside(manifest.root, Path(path).with_name(name), listed)
        except BadInput as error:
            yield Problem(path, "outside", str(error))
        except OSError as error:
            yield Problem(path, "unreadable", in_words(error))
        on_progress(count, len(rows), "checking")


def _problems_of_file(path: str, file: Path, sha256: str, synthetic: bool) -> Iterator[Problem]:
    if not file.is_file():
        yield Problem(path, "missing", "in the manifest, not on the disk")
        return
    if sha256_of(file) != sha256:
        yield Problem(path, "changed", "its bytes are not those of the manifest")
    check: Callable[[Path], Iterator[tuple[str, str]]] = _unmarked if synthetic else _posing
    try:
        for kind, detail in check(file):
            yield Problem(path, kind, detail)
    except UnreadableImage as error:
        yield Problem(path, "changed", f"damaged: {error}")


def _problems_beside(root: Path, path: Path, sha256: str) -> Iterator[Problem]:
    """Yield what is wrong with a file that decides the pixels of the image that it lies beside."""
    file = inside(root, path.as_posix())
    if not file.is_file():
        yield Problem(path.as_posix(), "missing", "with an image that it belongs to")
    elif sha256_of(file) != sha256:
        yield Problem(path.as_posix(), "changed", "its bytes are not those of the manifest")


def _unmarked(file: Path) -> Iterator[tuple[str, str]]:
    if lost := lost_marks(file):
        yield "unmarked", f"synthetic, and lacks {' and '.join(lost)}"


def _posing(file: Path) -> Iterator[tuple[str, str]]:
    if is_marked_synthetic(file):
        yield "posing", "listed as real, and marked as synthetic"


def _unknown(manifest: Manifest) -> Iterator[Problem]:
    known, root = _known(manifest.frame), manifest.root
    refused: list[OSError] = []
    for path in files_in(root, refused.append):
        if path not in known and path not in _OWN:
            yield Problem(path, "unknown", "the manifest does not know it")
    for error in refused:
        path = Path(error.filename).relative_to(root).as_posix()
        yield Problem(path, "unreadable", in_words(error))


def _known(rows: pd.DataFrame) -> set[str]:
    """Return the paths of all files of the rows; of older rows also those that may be needed."""
    known = files_of(rows["path"][rows["beside"] == ""])
    for path, beside in rows.loc[rows["beside"] != "", ["path", "beside"]].itertuples(index=False):
        known.add(path)
        known.update(Path(path).with_name(name).as_posix() for name in listed_beside(beside))
    return known
