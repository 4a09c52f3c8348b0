"""A classifier that another machine has trained is exported from the store."""

from small_comparison import compare_noise
from typer.testing import CliRunner

from flows.cli.app import app


def test_a_classifier_of_another_machine_is_exported_by_the_address(address, on_machine, tmp_path):
    on_machine("a")
    compare_noise(tmp_path, address, {"train": 4, "val": 2, "test": 2}, seeds="0")
    on_machine("b")
    out = tmp_path / "taken"
    words = ["mine", "--workdir", address, "--out", str(out)]
    said = CliRunner().invoke(app, ["export", *words])
    assert said.exit_code == 0, said.output
    assert (out / "model.safetensors").is_file() and f"Export: {out}" in said.output
