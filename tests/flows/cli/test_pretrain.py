"""`terrabalance pretrain`, from the command to a run that starts from what it made."""

import re

from typer.testing import CliRunner

from augment.network.card import read_card
from augment.scenes import draw_scene
from flows.cli.app import app
from terrabalance.errors import BadInput
from terrabalance.images import write_png


def test_a_run_starts_from_the_base_that_the_command_names(tiny_toml, scenes, tmp_path):
    for index in range(4):
        write_png(tmp_path / "tiles" / f"{index}.png", draw_scene("Residential", index, 32))
    shared = ["--config", tiny_toml, "--workdir", tmp_path / "work", "--set", "base.evaluations=0",
              "--set", "training.evaluations=0"]  # fmt: skip

    def say(*words: object) -> str:
        said = CliRunner().invoke(app, list(map(str, [*words, *shared])), env={"COLUMNS": "200"})
        assert said.exit_code == 0, said.output
        return said.output

    said = say("pretrain", tmp_path / "tiles", "--data", scenes, "--set", "base.licence=CC0")
    found = re.search(r"--set (base_from=(prior-[0-9a-f]{12}))", said)
    assert found is not None
    generators = tmp_path / "work" / "data" / "generators"
    assert read_card(generators / found[2])["unlabelled"]["licence"] == "CC0"
    say("train", scenes, "--set", found[1])
    (beach,) = generators.glob("Beach-*[0-9a-f]")
    assert read_card(beach)["start"] == found[2]


def test_a_folder_that_is_not_there_is_told_in_a_sentence(tmp_path):
    said = CliRunner().invoke(app, ["pretrain", str(tmp_path / "tiles")])
    assert isinstance(said.exception, BadInput) and "tiles: no such file" in str(said.exception)
