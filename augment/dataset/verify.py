"""Check an assembled dataset against its manifest, and the marks of its synthetic images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augment.dataset.croissant import CROISSANT
from augment.dataset.layout import CLASS_MAP
from augment.dataset.placing import side_files
from terrabalance.errors import BadInput, NotReady, UnreadableImage
from terrabalance.files import inside, sha256_of
from terrabalance.finished import done
from terrabalance.manifest import Manifest, read_manifest
from terrabalance.marks import is_marked_synthetic, lost_marks
from terrabalance.progress import Progress, silent
from terrabalance.system_errors import in_words

_FOR_PROGRAMS = (CLASS_MAP, CROISSANT)  # one that was changed would mislead without a word
_HASHED = ("manifest.parquet", *_FOR_PROGRAMS)
_OWN = frozenset({
    *_HASHED, "manifest.csv", "README.md", "done.json",
    # Of one class's synthetic images.
    "strip.png", "spectrum.json", "screening.json", "reviews.json", ".screening.lock",
})  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """A problem of a dataset.

    Attributes:
        path: of the file, relative to the dataset.
        kind: `missing`, `changed`, `unmarked` (a synthetic image without its marks), `posing` (a
            real one with the mark of a synthetic one), `misplaced` (a synthetic one in val or
            test), `unread` (the system does not let it be read), `unknown` (no row of the manifest)
            or `outside` (a row that leaves the dataset).
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
    problems = [
        *_problems_of_rows(manifest, on_progress), *_problems_beside(folder), *_unknown(manifest),
    ]  # fmt: skip
    return sorted(problems, key=lambda problem: (problem.path, problem.kind))


def _problems_of_rows(manifest: Manifest, on_progress: Progress) -> Iterator[Problem]:
    rows = manifest.frame
    columns = (rows[name] for name in ("path", "split", "source", "sha256"))
    for count, (path, split, source, sha256) in enumerate(zip(*columns, strict=True), 1):
        synthetic = source == "synthetic"
        if synthetic and split != "train":
            yield Problem(path, "misplaced", f"a synthetic image in split {split}")
        try:
            yield from _problems_of_file(path, inside(manifest.root, path), sha256, synthetic)
        except BadInput as error:
            yield Problem(path, "outside", str(error))
        except OSError as error:
            yield Problem(path, "unread", in_words(error))
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


def _problems_beside(folder: Path) -> Iterator[Problem]:
    """Compare the files that programs read beside the images with their checksums."""
    checksums = (done(folder) or {}).get("files", {})
    for name in _HASHED:
        if name not in checksums:  # a dataset from before this file, or no dataset
            continue
        if not (folder / name).is_file():
            yield Problem(name, "missing", "made with the dataset, not on the disk")
        elif sha256_of(folder / name) != checksums[name]:
            yield Problem(name, "changed", "its bytes are not those that were made")


def _unmarked(file: Path) -> Iterator[tuple[str, str]]:
    if lost := lost_marks(file):
        yield "unmarked", f"synthetic, and lacks {' and '.join(lost)}"


def _posing(file: Path) -> Iterator[tuple[str, str]]:
    if is_marked_synthetic(file):
        yield "posing", "listed as real, and marked as synthetic"


def _unknown(manifest: Manifest) -> Iterator[Problem]:
    images = set(manifest.frame["path"])
    needed = (file.as_posix() for image in images for file in side_files(Path(image)))
    known = images.union(needed)
    for file in sorted(manifest.root.rglob("*")):
        path = file.relative_to(manifest.root).as_posix()
        is_file = file.is_symlink() or not file.is_dir()  # a link to a folder is not followed
        if is_file and path not in known and path not in _OWN:
            yield Problem(path, "unknown", "the manifest does not know it")
