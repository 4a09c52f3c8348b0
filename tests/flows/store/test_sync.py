"""Against moto's S3 server on loopback; a machine is a working copy of its own."""

import json
import logging
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from classifier.study.ledger import note_opening
from classifier.train.experiment import trainings_of
from flows.cli.app import main
from flows.settings.config import RunConfig
from flows.stages import stages
from flows.stages.compare import compare_manifest
from flows.stages.generators import train_base, train_class
from flows.stages.report import write_report
from flows.store import paths, remote
from flows.store.remote import Remote
from flows.store.sync import adding, exchange
from flows.store.timings import timed
from flows.store.unfinished import fetch_unfinished, publishing
from terrabalance.errors import BadInput, NotReady, StoreUnreachable
from terrabalance.files import mark_done, write_text
from terrabalance.progress import Progress, silent

logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every request
Machine = Callable[[str], None]


@pytest.fixture(scope="module")
def s3() -> Iterator[fsspec.AbstractFileSystem]:
    """The file system of an S3 server with an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": host,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        found = fsspec.filesystem("s3", use_listings_cache=False)
        found.mkdir("bucket")
        yield found
    server.stop()


@pytest.fixture
def address(s3, request) -> str:
    """A place of the test's own in the bucket."""
    return f"s3://bucket/{request.node.name}"


@pytest.fixture
def on_machine(tmp_path, monkeypatch) -> Machine:
    """Go on as another machine, by name."""
    monkeypatch.setattr(remote, "_WAITS_S", (0.0, 0.0))

    def go(name: str) -> None:
        monkeypatch.setenv("TERRABALANCE_CACHE", str(tmp_path / name))

    go("one")
    return go


def files_below(folder: Path) -> dict[str, bytes]:
    """What a person would compare: no lock, no hidden file, no log of TensorBoard."""
    found = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*")}
    return {
        path: file.read_bytes()
        for path, file in found.items()
        if file.is_file() and "tensorboard" not in path and "/." not in f"/{path}"
    }


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("this was made already")


@pytest.fixture(scope="module")
def finished(s3, scenes, tiny, tmp_path_factory) -> dict[str, Any]:
    """A whole run into the bucket from one machine, which has the data; then the data is gone."""
    home = tmp_path_factory.mktemp("first")
    data = Path(shutil.copytree(scenes, home / "scenes"))
    given = {"data": data, "workdir": "s3://bucket/whole", "name": "tiny", **tiny}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERRABALANCE_CACHE", str(home / "cache"))
        config = RunConfig(**given)
        catalogue = stages.make_catalogue(config).name
        run_all(config)
    shutil.rmtree(data)
    return {"config": config, "given": {**given, "catalogue": catalogue}}


def run_all(config: RunConfig) -> Path:
    """Do what the flow does, without Prefect."""
    train_base(config)
    for job in stages.load_jobs(config):
        train_class(config, job.class_name)
        stages.synthesize_class(config, job.class_name)
    stages.assemble_dataset(config)
    for training in trainings_of(config.classifier):
        stages.classify(config, training)
    stages.compare_arms(config)
    return timed(config, "report", lambda: write_report(config))


def test_another_machine_without_the_data_finds_everything_and_repeats_nothing(
    finished, on_machine, monkeypatch
):
    on_machine("two")
    config = RunConfig(
        **finished["config"].model_dump(mode="json") | {"catalogue": finished["given"]["catalogue"]}
    )
    assert config.workdir != finished["config"].workdir and not config.data.exists()
    for name in (
        "flows.stages.generators.train_generator",
        "flows.stages.stages.estimate_cost",
        "flows.stages.synthetic.fit",
        "classifier.train.training._train",
        "augment.sample.sampling.ClassSampler",
    ):
        monkeypatch.setattr(name, refuse)
    page = run_all(config)
    assert "River" in page.read_text()
    ours, theirs = (files_below(c.workdir / "data") for c in (config, finished["config"]))
    for folder in ("catalogues", "generators", "synthetic", "datasets", "classifiers"):
        assert any(path.startswith(folder) for path in ours)
    assert {p: ours[p] for p in ours if p in theirs} == {p: theirs[p] for p in ours if p in theirs}
    made_here = {path.split("/")[0] for path in ours.keys() - theirs.keys()}
    assert made_here <= {"images", "screeners"}  # what was fetched to look at, and its features


def test_the_store_looks_like_a_working_folder(finished, s3):
    there = {path.removeprefix("bucket/whole/") for path in s3.find("bucket/whole")}
    assert {"reports/tiny/index.html", "data/datasets/tiny/done.json"} <= there
    assert not [path for path in there if ".unfinished/" in path or "checkpoints" in path]
    assert not [path for path in there if path.endswith((".lock", ".part"))]


def test_what_is_here_and_there_costs_no_request(finished, monkeypatch):
    monkeypatch.setattr(Remote, "__init__", refuse)
    for folder in (finished["config"].workdir / "data" / "generators").iterdir():
        if folder.is_dir():
            exchange(finished["config"], folder)


def test_a_machine_without_the_data_trains_a_class(finished, on_machine):
    on_machine("three")
    config = RunConfig(**finished["given"] | {"seed": 1})
    folder = train_class(config, "Beach")
    assert (folder / "done.json").is_file()
    images = config.workdir / "data" / "images"
    assert sum(path.suffix == ".png" for path in images.rglob("*.*")) > 0


def test_classifiers_are_compared_on_a_catalogue_of_the_store(finished, on_machine, s3):
    on_machine("four")
    classifier = {**finished["given"]["classifier"], "arms": ["real", "class-weight"]}
    config = RunConfig(**finished["given"] | {"name": "compared", "classifier": classifier})
    page = compare_manifest(config, lambda _: silent)
    assert s3.cat_file("bucket/whole/reports/compared/index.html") == page.read_bytes()
    openings = json.loads(s3.cat_file("bucket/whole/data/classifiers/test_openings.json"))
    assert [len(opened) for opened in openings.values()] == [2]  # this one's and the run's


def test_a_training_that_was_killed_goes_on_on_another_machine(
    scenes, tiny, tmp_path, address, s3, on_machine
):
    longer = {**tiny, "base": {**tiny["base"], "steps": 9, "evaluations": 3}}
    undisturbed = RunConfig(data=scenes, workdir=tmp_path / "here", **longer)
    expected = files_below(base_of(undisturbed))

    def of_the_base(message: str) -> bool:
        return not message.startswith("a classifier to judge by")

    def killed(done: int, _total: int, message: str = "") -> None:
        if done == 9 and of_the_base(message):
            raise KeyboardInterrupt

    config = RunConfig(data=scenes, workdir=address, **longer)
    with pytest.raises(KeyboardInterrupt):
        train_base(config, killed)
    on_machine("two")
    config = RunConfig(**config.model_dump(mode="json"))
    seen: list[int] = []

    def listen(done: int, _total: int, message: str = "") -> None:
        if of_the_base(message):
            seen.append(done)

    found = files_below(base_of(config, listen))
    assert seen == [6, 9]  # from the checkpoint of step 3, the newest in the store
    assert without_clock(found) == without_clock(expected)
    assert not [path for path in s3.find(in_bucket(address)) if ".unfinished/" in path]


def test_a_base_that_is_named_is_found_in_the_store(finished, on_machine):
    on_machine("five")
    made = finished["config"].workdir / "data" / "generators"
    (base,) = made.glob("base-*[0-9a-f]")
    config = RunConfig(**finished["given"] | {"name": "pinned", "base_from": base.name})
    folder = train_class(config, "Beach")
    assert (made / folder.name).is_dir()  # what that run has started from it is found too
    assert (config.workdir / "data" / "generators" / base.name / "done.json").is_file()
    with pytest.raises(NotReady, match=r"no finished generator in .*base-0"):
        train_class(RunConfig(**config.model_dump() | {"base_from": "base-0"}), "Beach")


def test_a_checkpoint_that_was_uploaded_in_part_is_not_gone_on_from(result, monkeypatch):
    config, _ = result
    monkeypatch.setattr("flows.store.unfinished._SHARE", 0)
    name, bucket = "data/generators/River-1", Remote(str(config.storage))
    folder = config.workdir / name
    report = publishing(bucket, name, folder, silent)
    write_text(folder / "checkpoints" / "step_0000003.pt", "first")
    report(1, 9)
    whole = files_below(folder)
    write_text(folder / "checkpoints" / "step_0000006.pt", "second")
    write_text(folder / "losses.csv", "new")
    monkeypatch.setattr(Remote, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report(2, 9)
    elsewhere = config.workdir / "elsewhere"
    fetch_unfinished(bucket, name, elsewhere)
    assert files_below(elsewhere) == whole


def interrupt(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def base_of(config: RunConfig, on_progress: Progress = silent) -> Path:
    folder = train_base(config, on_progress)
    assert folder is not None
    return folder


def without_clock(files: dict[str, bytes]) -> dict[str, Any]:
    """Leave out what differs between two trainings of the same result."""
    card = json.loads(files["card.json"])
    result = {k: v for k, v in card.items() if k not in ("seconds", "peak_memory_bytes")}
    return {**files, "card.json": result}


def in_bucket(address: str) -> str:
    return address.removeprefix("s3://")


@pytest.fixture
def result(address, on_machine) -> tuple[RunConfig, Path]:
    """A finished folder of one machine, not published yet."""
    config = RunConfig(data=Path("nowhere"), workdir=address)
    folder = config.workdir / "data" / "generators" / "Beach-1"
    write_text(folder / "a.txt", "a")
    write_text(folder / "deep" / "b.txt", "b")
    mark_done(folder, {"by": "one"})
    return config, folder


def there(config: RunConfig, on_machine: Machine, name: str = "two") -> tuple[RunConfig, Path]:
    """The same run and folder on another machine."""
    on_machine(name)
    again = RunConfig(**config.model_dump(mode="json"))
    return again, again.workdir / "data" / "generators" / "Beach-1"


def test_an_upload_that_was_interrupted_is_not_a_result(result, on_machine, monkeypatch):
    config, folder = result
    upload = Remote.put

    def cut(self: Remote, files: dict[str, Path]) -> None:
        for name, path in files.items():
            upload(self, {name: path})
            if name.endswith("b.txt"):
                raise KeyboardInterrupt

    monkeypatch.setattr(Remote, "put", cut)
    with pytest.raises(KeyboardInterrupt):
        exchange(config, folder)
    monkeypatch.undo()
    second, missing = there(config, on_machine)
    exchange(second, missing)
    assert not missing.exists()
    on_machine("one")
    exchange(config, folder)  # the same command again
    second, found = there(config, on_machine)
    exchange(second, found)
    assert files_below(found) == files_below(folder)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_folder_that_is_not_as_listed_is_not_used_and_repaired(
    result, on_machine, s3, damage, caplog
):
    config, folder = result
    exchange(config, folder)
    file = f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt"
    s3.rm_file(file) if damage == "gone" else s3.pipe_file(file, b"x")
    second, own = there(config, on_machine)
    exchange(second, own)
    assert not own.exists() and "not whole" in caplog.text
    shutil.copytree(folder, own)  # made anew
    exchange(second, own)
    third, found = there(config, on_machine, "three")
    exchange(third, found)
    assert files_below(found) == files_below(folder)


def test_of_two_machines_that_made_the_same_the_first_to_publish_counts(result, on_machine):
    config, folder = result
    exchange(config, folder)
    second, own = there(config, on_machine)
    write_text(own / "a.txt", "rounded otherwise")
    mark_done(own, {"by": "two"})
    exchange(second, own)
    assert files_below(own) == files_below(folder)


def test_what_a_machine_adds_to_a_finished_result_reaches_the_others(result, on_machine, s3):
    config, folder = result
    exchange(config, folder)
    second, own = there(config, on_machine)
    exchange(second, own)
    write_text(own / "c.txt", "c")
    exchange(second, own)
    exchange(config, folder, changes=True)
    assert sorted(files_below(folder)) == ["a.txt", "c.txt", "deep/b.txt", "done.json"]


def test_what_is_made_anew_loses_in_the_store_what_it_no_longer_has(result, on_machine, s3):
    config, folder = result
    exchange(config, folder)
    (folder / "a.txt").unlink()
    mark_done(folder, {"by": "one", "again": True})
    exchange(config, folder)
    assert not s3.exists(f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt")


def test_a_file_that_a_cache_cleaner_took_comes_back_and_stays_in_the_store(result, s3):
    config, folder = result
    exchange(config, folder)
    (folder / "a.txt").unlink()
    exchange(config, folder)
    assert sorted(files_below(folder)) == ["a.txt", "deep/b.txt", "done.json"]
    assert s3.exists(f"{in_bucket(str(config.storage))}/data/generators/Beach-1/a.txt")


def test_two_machines_count_each_others_openings_of_the_test_part(result, on_machine):
    config, _ = result
    second, _ = there(config, on_machine)
    ledgers = [each.workdir / "data" / "classifiers" / "test_openings.json"
               for each in (config, second)]  # fmt: skip
    note_opening(ledgers[0], "T", "a comparison that was killed before it was published")
    with adding(second, [], ledgers[1]):
        note_opening(ledgers[1], "T", "another")
    with adding(config, [], ledgers[0]):
        assert note_opening(ledgers[0], "T", "a third") == 3


@pytest.mark.parametrize("path", ["../../../../out", "/tmp/out"])
def test_a_listing_cannot_write_outside_its_folder(result, on_machine, s3, path):
    config, folder = result
    exchange(config, folder)
    name = f"{in_bucket(str(config.storage))}/data/generators/Beach-1.files.json"
    listing = json.loads(s3.cat_file(name))
    s3.pipe_file(name, json.dumps({**listing, path: listing["a.txt"]}).encode())
    second, own = there(config, on_machine)
    with pytest.raises(BadInput, match="leaves its folder"):
        exchange(second, own)
    assert not own.exists() and not (second.workdir.parents[1] / "out").exists()


def test_a_checkpoint_that_cannot_be_uploaded_stops_no_training(
    scenes, tiny, address, on_machine, monkeypatch, caplog
):
    def no_space(*_: Any) -> None:
        raise StoreUnreachable("the bucket is full")

    config = RunConfig(data=scenes, workdir=address, **tiny)
    longer = config.model_copy(update={"base": config.base.model_copy(update={"steps": 9})})
    monkeypatch.setattr("flows.store.unfinished.as_bytes", no_space)
    assert base_of(longer).is_dir()
    assert "the bucket is full" in caplog.text


def test_a_store_that_is_gone_for_a_moment_is_asked_again(result, monkeypatch):
    config, _ = result
    calls = []

    def shaky(path: str) -> bytes:
        calls.append(path)
        if len(calls) < 3:
            raise ConnectionError("gone for a moment")
        return b"here again"

    there = Remote(str(config.storage))
    monkeypatch.setattr(there._fs, "cat_file", shaky)
    assert there.read("anything") == b"here again"
    assert len(calls) == 3


def test_a_store_that_cannot_be_reached_is_one_line_and_loses_nothing(
    result, monkeypatch, capsys, tmp_path
):
    config, folder = result
    before = files_below(folder)
    type(fsspec.filesystem("s3")).clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreUnreachable, match="What was made so far is kept in"):
        exchange(config, folder)
    assert files_below(folder) == before
    monkeypatch.setattr(
        sys, "argv", ["terrabalance", "plan", str(tmp_path), "--workdir", config.storage]
    )
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert said.startswith("error: s3://bucket/") and said.count("\n") == 1
    type(fsspec.filesystem("s3")).clear_instance_cache()


def test_a_bucket_that_is_not_there_is_named(on_machine, result):
    config, _ = result
    elsewhere = RunConfig(data=config.data, workdir="s3://no-such-bucket/x")
    folder = elsewhere.workdir / "data" / "generators" / "Beach-1"
    mark_done(folder, {})
    with pytest.raises(BadInput, match=r"s3://no-such-bucket/x.*Make the bucket first"):
        exchange(elsewhere, folder)


@pytest.mark.parametrize(
    ("workdir", "said"),
    [
        ("gs://bucket/x", r"pip install 'terrabalance\[gs\]'"),
        ("nosuch://bucket/x", "Protocol not known: nosuch"),
    ],
)
def test_a_driver_that_is_missing_is_named(workdir, said, tmp_path, on_machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    config = RunConfig(data=tmp_path, workdir=workdir)
    with pytest.raises(BadInput, match=said):
        paths.report_folder(config)


def test_keys_that_are_missing_are_named(result, monkeypatch, tmp_path):
    config, folder = result
    type(fsspec.filesystem("s3")).clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"access is refused \(Unable to locate credentials\)"):
        exchange(config, folder)
    type(fsspec.filesystem("s3")).clear_instance_cache()


def test_keys_in_an_address_are_refused(tmp_path):
    with pytest.raises(ValueError, match="keys do not belong into an address") as error:
        RunConfig(data=tmp_path, workdir="s3://me:secret@bucket/x")
    assert "secret@" not in str(error.value.errors(include_input=False))


def test_an_address_becomes_this_machines_working_copy(tmp_path, on_machine):
    config = RunConfig(data=tmp_path, workdir="s3://bucket/x/")
    assert config.storage == "s3://bucket/x" and config.workdir.is_relative_to(tmp_path / "one")
    on_machine("two")
    for again in (RunConfig(**config.model_dump(mode="json")), pickle.loads(pickle.dumps(config))):
        assert again.storage == config.storage and again.workdir.is_relative_to(tmp_path / "two")
    assert again.result_key == config.result_key == RunConfig(data=tmp_path).result_key


def test_a_path_or_a_file_address_is_a_plain_folder(tmp_path):
    for workdir in (tmp_path, str(tmp_path), f"file://{tmp_path}"):
        config = RunConfig(data=tmp_path, workdir=workdir)
        assert config.workdir == tmp_path and config.storage is None
    with pytest.raises(ValueError, match="as text"):
        RunConfig(data=tmp_path, workdir=Path("s3://bucket/x"))


def test_a_catalogue_that_is_not_there_or_leaves_its_folder_is_refused(tmp_path):
    with pytest.raises(NotReady, match="no finished catalogue 'scenes-1'"):
        stages.load_catalogue(RunConfig(data=tmp_path, workdir=tmp_path, catalogue="scenes-1"))
    with pytest.raises(ValueError, match="catalogue"):
        RunConfig(data=tmp_path, catalogue="../x")
