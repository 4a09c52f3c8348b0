"""A result is made once: by threads, by processes, and never while it waits for itself."""

import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import PATIENCE_S

from flows.settings.config import RunConfig
from flows.store.devices import held, waited_s
from flows.store.paths import settings_file
from flows.store.result import Files, Folder, find, make_anew, make_once, require
from flows.store.uses import begin, note_use
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import read_json, write_json
from terrabalance.finished import damaged_files, mark_done

_MAKE = """
import sys, time
from pathlib import Path
from flows.settings.config import RunConfig
from flows.store.result import Folder, make_once
from terrabalance.finished import mark_done

config, place = RunConfig(data=sys.argv[1], workdir=sys.argv[1]), Path(sys.argv[1]) / "data" / "x"

def make(devices, listener):
    with (place.parent / "makers").open("a") as file:
        file.write("made\\n")
    time.sleep(0.5)
    mark_done(place, {})

print("ready", flush=True)
sys.stdin.readline()
make_once(config, Folder(what="x", place=place), make)
"""


@pytest.fixture
def config(tmp_path) -> RunConfig:
    return RunConfig(data=tmp_path, workdir=tmp_path, name="run", device="cpu")


def folder_of(config: RunConfig, **more) -> Folder:
    return Folder(what="the thing", place=config.workdir / "data" / "things" / "thing-1", **more)


def test_of_many_threads_one_makes_it_and_all_get_it(config):
    made, result = [], folder_of(config, n_devices=1)

    def make(devices, _listener):
        made.append(str(devices[0]))
        mark_done(result.place, {"by": "one"})

    with ThreadPoolExecutor(6) as pool:
        places = set(pool.map(lambda _: make_once(config, result, make), range(6)))
    assert made == ["cpu"] and places == {result.place}


def test_settings_of_another_version_are_refused_with_the_field_that_does_not_fit(config):
    begin(config)
    path = settings_file(config)
    write_json(path, {**read_json(path), "unheard_of": 1})
    with pytest.raises(BadInput, match=r"the field 'unheard_of' does not fit.*another --name"):
        begin(config)


def test_of_several_processes_one_makes_it(tmp_path):
    (tmp_path / "data").mkdir()
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]  # fmt: skip
    for asker in askers:
        assert asker.stdout is not None and asker.stdout.readline() == "ready\n"
    for asker in askers:
        asker.communicate("go\n", timeout=PATIENCE_S)
        assert asker.returncode == 0
    assert (tmp_path / "data" / "makers").read_text() == "made\n"


def test_what_failed_is_made_by_the_next_who_asks(config):
    result = folder_of(config)

    def fail(_devices, _listener):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        make_once(config, result, fail)
    assert not find(config, result)
    assert make_once(config, result, lambda *_: mark_done(result.place, {})) == result.place


def test_who_waits_is_told_for_what(config):
    result, told = folder_of(config), []
    inside, go = threading.Event(), threading.Event()

    def slowly(_devices, _listener):
        inside.set()
        assert go.wait(PATIENCE_S)
        mark_done(result.place, {})

    def listen(_done, _total, message=""):
        told.append(message)
        go.set()

    first = threading.Thread(target=make_once, args=(config, result, slowly))
    first.start()
    assert inside.wait(PATIENCE_S)
    make_once(config, result, slowly, listen)
    first.join()
    assert told == ["another process makes the thing, waiting for it"]


def test_a_maker_that_leaves_nothing_whole_is_a_bug_that_shows(config):
    with pytest.raises(AssertionError, match="is not whole"):
        make_once(config, folder_of(config), lambda *_: None)


def test_nothing_that_needs_devices_is_asked_for_while_devices_are_held(config):
    needs, needs_none = folder_of(config, n_devices=1), folder_of(config)
    with held(config):
        with pytest.raises(AssertionError, match="make it before"):
            make_once(config, needs, lambda *_: None)
        make_once(config, needs_none, lambda *_: mark_done(needs_none.place, {}))
        assert make_once(config, needs, lambda *_: None) == needs.place  # it is there by now


def test_asking_for_a_result_notes_its_use_and_making_it_begins_the_run(config):
    result = folder_of(config, part="thing")
    assert not find(config, result)
    use = read_json(config.workdir / "data" / "uses" / "run" / "thing.json")
    assert use == {"part": "thing", "result": "things/thing-1"}
    settings = config.workdir / "reports" / "run" / "config.json"
    assert not settings.exists()
    make_once(config, result, lambda *_: mark_done(result.place, {}))
    assert settings.is_file()


def test_a_name_that_belongs_to_another_run_changes_nothing_of_it(config):
    use, page = folder_of(config, part="thing"), config.workdir / "reports" / "run" / "page.json"
    make_once(config, use, lambda *_: mark_done(use.place, {}))
    view = Files(what="the page", place=page)
    make_anew(config, view, lambda *_: write_json(page, "mine"))
    note = config.workdir / "data" / "uses" / "run" / "thing.json"
    before = note.read_text()
    other = config.model_copy(update={"seed": 1})
    wanted = Folder(what="it", place=use.place.with_name("thing-2"), part="thing")
    for ask in (
        lambda: find(other, wanted),
        lambda: make_anew(other, view, lambda *_: write_json(page, "theirs")),
    ):
        with pytest.raises(BadInput, match="or another --name"):
            ask()
    assert note.read_text() == before and read_json(page) == "mine"


def test_a_name_with_nothing_but_a_plan_is_free_for_other_settings(config):
    folder, other = begin(config), config.model_copy(update={"seed": 1})
    for name in ("plan.json", "timings.json", ".plan.json.lock"):
        write_json(folder / name, {})
    catalogue = config.workdir / "data" / "catalogues" / "scenes-1"
    catalogue.mkdir(parents=True)
    note_use(config, "catalogue", catalogue)
    assert not find(config, folder_of(config, part="thing"))  # noted, and not made
    begin(other)
    assert read_json(settings_file(config))["seed"] == 1
    assert {path.name for path in folder.iterdir()} == {"config.json", ".plan.json.lock"}


@pytest.mark.parametrize(
    "made", ["reports/run/account.json", "data/datasets/run/x", "data/things/thing-1/x"]
)
def test_a_name_under_which_something_was_made_is_not_free(config, made):
    begin(config)
    find(config, folder_of(config, part="thing"))
    write_json(config.workdir / made, {})
    with pytest.raises(BadInput, match="or another --name"):
        begin(config.model_copy(update={"seed": 1}))
    assert read_json(settings_file(config))["seed"] == config.seed


def test_a_command_that_no_device_was_there_for_takes_no_name(config, monkeypatch):
    monkeypatch.setattr("flows.store.devices._slots", refused)
    result = folder_of(config, n_devices=1, part="thing")
    with pytest.raises(BadInput, match="no device"):
        make_once(config, result, lambda *_: mark_done(result.place, {}))
    monkeypatch.undo()
    other = config.model_copy(update={"seed": 1})
    make_once(other, result, lambda *_: mark_done(result.place, {}))
    assert read_json(settings_file(config))["seed"] == 1


def refused(*_):
    raise BadInput("no device")


def test_waiting_for_devices_is_counted_apart(config, monkeypatch):
    monkeypatch.setattr("flows.store.devices._slots", slowly)
    before, result = waited_s(), folder_of(config, n_devices=1)
    make_once(config, result, lambda *_: mark_done(result.place, {}))
    assert waited_s() - before >= 0.2


@contextmanager
def slowly(*_):
    time.sleep(0.2)
    yield


def test_what_another_command_makes_is_named_with_the_command(config):
    with pytest.raises(
        NotReady, match=r"thing-1: the thing is not made. Run `terrabalance things`.$"
    ):
        require(config, folder_of(config), "Run `terrabalance things`.")


def test_a_view_is_written_anew_whenever_it_is_asked_for(config):
    page, values = Files(what="the page", place=config.workdir / "page.json"), iter([1, 2])
    for expected in (1, 2):
        make_anew(config, page, lambda *_: write_json(page.place, next(values)))
        assert read_json(page.place) == expected


def test_a_damaged_result_is_named_before_it_is_used_or_published(config):
    result = folder_of(config)

    def make(_devices, _listener):
        result.place.mkdir(parents=True)
        (result.place / "weights").write_bytes(b"whole")
        mark_done(result.place, {}, [result.place / "weights"])

    make_once(config, result, make)
    (result.place / "weights").write_bytes(b"wholf")
    with pytest.raises(BadInput, match=r"weights: gone, damaged.*the thing.*delete the folder"):
        find(config, result)
    shutil.rmtree(result.place)  # what the message says
    make_once(config, result, make)
    assert (result.place / "weights").read_bytes() == b"whole"


def test_what_a_killed_writer_left_is_gone_once_the_result_is_made(config):
    result, report = folder_of(config), config.workdir / "reports" / "plan.json"
    files = Files(what="the plan", place=report)
    left = [
        result.place / "checkpoints" / ".step_0000001.pt.0123456789ab.part",
        report.with_name(".plan.json.0123456789ab.part"),
    ]
    another = report.with_name(".other.json.0123456789ab.part")  # its writer may be alive
    for path in (*left, another):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    make_once(config, result, lambda _devices, _listener: mark_done(result.place, {}))
    make_once(config, files, lambda _devices, _listener: write_json(report, {}))
    assert not any(path.exists() for path in left) and another.exists()


def test_what_its_maker_mends_is_not_refused_for_its_damage(config):
    result = folder_of(config)
    result = replace(result, is_made=lambda: damaged_files(result.place) == [])

    def make(_devices, _listener):
        result.place.mkdir(parents=True, exist_ok=True)
        (result.place / "weights").write_bytes(b"whole")
        mark_done(result.place, {}, [result.place / "weights"])

    make(None, None)
    (result.place / "weights").unlink()
    make_once(config, result, make)
    assert (result.place / "weights").read_bytes() == b"whole"
