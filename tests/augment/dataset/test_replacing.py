"""A dataset that is assembled again: whose files stay, whose go, and where it is put."""

import os
import shutil
from pathlib import Path

import pytest
from users import needs_a_user, run_as_user

from augment.dataset import replacing
from augment.dataset.assemble import assemble
from augment.dataset.verify import verify
from terrabalance.errors import BadInput
from terrabalance.manifest import Manifest

ABOUT = {"name": "Tiny"}
OURS = {"notes.txt": "my labels", "my_model/deep/best.pt": "weights", "train/Pond/boxes.json": "[]",
        "strip.png": "", ".hidden": "x"}  # fmt: skip


@pytest.fixture
def target(tmp_path: Path, catalogue: Manifest, synthetic: list[Manifest]) -> Path:
    """An assembled dataset with files of a person in it."""
    target = tmp_path / "sets" / "tiny"
    assemble(catalogue, synthetic, target, ABOUT)
    for name, text in OURS.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    (target / "link").symlink_to("notes.txt")
    (target / "my_model").chmod(0o700)
    return target


def kept(target: Path) -> dict[str, str]:
    return {name: (target / name).read_text() for name in OURS if (target / name).is_file()}


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("why", ["other images", "a file that is gone", "a damaged manifest"])
def test_files_that_people_put_there_stay_when_it_is_assembled_again(
    why, links, target, catalogue, synthetic, monkeypatch
):
    def no_links(*_: object, **__: object) -> None:
        raise OSError("hard links are not supported here")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    if why == "a damaged manifest":
        (target / "train/Pond/boxes.json").unlink()  # of which nothing would say whose it is
        (target / "manifest.parquet").write_text("none")
    if why == "a file that is gone":
        (target / "class_map.txt").unlink()
    expected = kept(target)
    assemble(catalogue, [] if why == "other images" else synthetic, target, ABOUT)
    assert kept(target) == expected
    assert (target / "link").readlink() == Path("notes.txt")
    assert (target / "my_model").stat().st_mode & 0o777 == 0o700
    unknown = {problem.path for problem in verify(target) if problem.kind == "unknown"}
    assert unknown == {*expected, "link"} - {"strip.png"}
    assert beside(target) == [".tiny.lock", "tiny"]


def test_what_the_older_dataset_had_and_the_new_one_lacks_goes(target, catalogue):
    assert list(target.rglob("synthetic_*"))
    assemble(catalogue, [], target, ABOUT)
    assert not list(target.rglob("synthetic_*"))


@pytest.mark.parametrize(
    "way", ["train/Pond/synthetic_Pond_000000.png", "train/Pond/synthetic_Pond_000000.png/x"]
)
def test_a_file_in_the_way_is_named_and_all_stays_as_it_was(way, tmp_path, catalogue, synthetic):
    target = tmp_path / "tiny"
    assemble(catalogue, [], target, ABOUT)
    (target / way).parent.mkdir(exist_ok=True)
    (target / way).write_text("mine")
    before = sorted(target.rglob("*"))
    with pytest.raises(BadInput, match=f"{target / way}: is not of the dataset.*Move it away"):
        assemble(catalogue, synthetic, target, ABOUT)
    assert sorted(target.rglob("*")) == before and (target / way).read_text() == "mine"


def test_a_file_among_the_images_that_may_be_of_either_is_named(target, catalogue, synthetic):
    (target / "manifest.parquet").write_text("none")
    with pytest.raises(BadInput, match=r"boxes\.json: nothing says whether.*Move what is yours"):
        assemble(catalogue, synthetic, target, ABOUT)
    assert kept(target) == OURS


@pytest.mark.parametrize("renames", range(4))
def test_a_process_killed_while_it_swaps_loses_nothing(
    renames, target, catalogue, synthetic, monkeypatch
):
    """Dies instead of its next rename; the next command finds what it then left."""
    done = 0
    rename = Path.rename

    def killed(path: Path, to: Path) -> Path:
        nonlocal done
        if path.parent == target.parent:
            done += 1
            if done > renames:
                raise KeyboardInterrupt
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans up nothing
        try:
            assemble(catalogue, [], target, ABOUT)
        except KeyboardInterrupt:
            pass
        else:
            assert renames == 3
    assemble(catalogue, synthetic, target, ABOUT)
    assemble(catalogue, [], target, ABOUT)
    assert kept(target) == OURS
    assert beside(target) == [".tiny.lock", "tiny"]


def test_an_older_dataset_that_cannot_be_removed_is_named_the_next_time(
    target, catalogue, monkeypatch
):
    left = target.parent / ".tiny.rest"
    left.mkdir()

    def refused(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(replacing.shutil, "rmtree", refused)
    with pytest.raises(PermissionError) as caught:
        assemble(catalogue, [], target, ABOUT)
    assert caught.value.filename == str(left)


@needs_a_user
def test_a_dataset_that_is_read_only_is_refused_before_it_is_replaced(target):
    target.chmod(0o555)
    said = run_as_user(
        "import sys; from pathlib import Path; from augment.dataset.assemble import _assemble\n"
        "try: _assemble(None, [], Path(sys.argv[1]), {}, '', None)\n"
        "except ValueError as error: print(error)",
        target,
    )
    assert said.startswith(f"{target}: is read-only") and kept(target) == OURS


@needs_a_user
def test_of_an_older_dataset_with_read_only_folders_nothing_is_left(target):
    for place in (target / "train", target.with_name(".tiny.rest") / "train"):
        (place / "Pond").mkdir(parents=True, exist_ok=True)
        (place / "Pond" / "more.png").write_text("")
        (place / "Pond").chmod(0o555)
    target.with_name("new").mkdir()
    run_as_user(
        "import sys; from pathlib import Path; from augment.dataset.replacing import swap\n"
        "swap(Path(sys.argv[1]) / 'new', Path(sys.argv[1]) / 'tiny')",
        target.parent,
    )
    assert beside(target) == [".tiny.lock", "tiny"] and not list(target.iterdir())


def test_a_folder_that_is_a_link_is_followed_as_often_as_it_is_assembled(
    target, catalogue, synthetic
):
    store = target.parents[1] / "large disk" / "tiny"
    store.parent.mkdir()
    target.rename(store)
    target.symlink_to(store)
    for parts in ([], synthetic, []):
        manifest = assemble(catalogue, parts, target, ABOUT)
        assert target.is_symlink() and target.resolve() == store
        assert all(path.is_file() for path in manifest.paths(manifest.frame))
        assert kept(store) == OURS
    assert beside(store) == [".tiny.lock", "tiny"] and beside(target) == [".tiny.lock", "tiny"]


@pytest.mark.parametrize("there", ["nothing", "the link itself"])
def test_a_link_that_leads_nowhere_is_named_with_where_it_leads(there, tmp_path, catalogue):
    to = tmp_path / ("tiny" if there == "the link itself" else "away")
    (tmp_path / "tiny").symlink_to(to)
    with pytest.raises(BadInput, match=f"{tmp_path}/tiny is a link to {to}, which is not there"):
        assemble(catalogue, [], tmp_path / "tiny", ABOUT)


def test_a_folder_that_cannot_be_read_is_named_before_anything_is_replaced(
    target, catalogue, monkeypatch
):
    secret = str(target / "my_model")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path) == secret:
            raise PermissionError(13, "Permission denied", secret)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError) as caught:
        assemble(catalogue, [], target, ABOUT)
    assert caught.value.filename == secret and kept(target) == OURS


def test_why_it_is_assembled_again_is_told_once(target, catalogue, synthetic, caplog):
    (target / "class_map.txt").unlink()
    assemble(catalogue, synthetic, target, ABOUT)
    assert caplog.text.count("class_map.txt gone, damaged or changed: assembled again") == 1
