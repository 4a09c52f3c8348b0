from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from augment.config import SamplingConfig
from augment.sample.sampling import is_drawn, sample_class
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import sha256_of
from terrabalance.finished import done
from terrabalance.manifest import read_manifest

from .pond_requests import DDIM, pixels, ponds


def test_every_file_says_that_it_is_synthetic(generator, tmp_path):
    sample_class(ponds(generator, 3, tmp_path))
    with Image.open(tmp_path / "000002.png") as image:
        text = image.text
    row = read_manifest(tmp_path).frame.iloc[2]
    assert text["terrabalance:synthetic"] == "true" and "synthetic" in text["Description"]
    assert text["terrabalance:class"] == row["class"] == "Pond"
    assert text["terrabalance:generator"] == row["generator"] == "Pond-1"
    assert int(text["terrabalance:seed"]) == row["seed"] and text["terrabalance:run"] == "r"


def test_manifest_rows_are_synthetic_training_images(generator, tmp_path):
    sample_class(ponds(generator, 3, tmp_path))
    frame = read_manifest(tmp_path).usable()
    assert set(frame["source"]) == {"synthetic"} and set(frame["split"]) == {"train"}
    assert list(frame["sha256"]) == [sha256_of(tmp_path / name) for name in frame["path"]]


def test_sampling_resumes_without_redrawing_and_ends_the_same(generator, tmp_path):
    whole = sample_class(ponds(generator, 7, tmp_path / "whole"))

    def stop(done: int, total: int, message: str = "") -> None:
        raise KeyboardInterrupt

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        sample_class(ponds(generator, 7, part), on_progress=stop)
    before = {path.name: path.stat().st_mtime_ns for path in part.glob("0*.png")}
    assert len(before) == 4
    sample_class(ponds(generator, 7, part))
    assert pixels(part) == pixels(whole)
    assert all((part / name).stat().st_mtime_ns == at for name, at in before.items())


def test_a_damaged_file_is_drawn_again(generator, tmp_path):
    whole = sample_class(ponds(generator, 4, tmp_path / "whole"))
    part = sample_class(ponds(generator, 4, tmp_path / "part"))
    (part / "done.json").unlink()
    (part / "000001.png").write_bytes((part / "000001.png").read_bytes()[:200])
    sample_class(ponds(generator, 4, part))
    assert pixels(part) == pixels(whole)


def test_an_image_that_was_lost_or_changed_after_the_end_is_named_and_drawn_again(
    generator, tmp_path, caplog
):
    folder = sample_class(ponds(generator, 4, tmp_path))
    before = pixels(folder)
    (folder / "000000.png").unlink()
    with Image.open(folder / "000002.png") as image:
        other = PngInfo()
        for key, value in image.text.items():
            other.add_itxt(key, value)  # a forgery that carries all the marks
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "000002.png", pnginfo=other)
    assert pixels(folder) != before
    sample_class(ponds(generator, 4, folder))
    assert pixels(folder) == before
    assert "changed or lost, drawn again: 000000.png, 000002.png" in caplog.text


def test_a_damaged_manifest_is_told_once_and_the_images_drawn_again(generator, tmp_path, caplog):
    folder = sample_class(ponds(generator, 4, tmp_path))
    before = pixels(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "manifest.parquet").write_bytes(b"PAR1")
    assert not is_drawn(folder, 4)  # as stages ask before
    sample_class(ponds(generator, 4, folder))
    assert pixels(folder) == before and is_drawn(folder, 4)
    assert caplog.text.count("drawn again") == 1 and "manifest.parquet" in caplog.text
    assert "notes.txt" not in caplog.text


def test_a_manifest_that_is_gone_is_told_without_advice_and_the_images_drawn_again(
    generator, tmp_path, caplog
):
    folder = sample_class(ponds(generator, 4, tmp_path))
    before = pixels(folder)
    (folder / "manifest.parquet").unlink()
    sample_class(ponds(generator, 4, folder))
    assert pixels(folder) == before and is_drawn(folder, 4)
    assert caplog.messages == [f"the images are drawn again: {folder / 'manifest.parquet'}: gone"]


def test_another_number_of_calls_draws_anew(generator, tmp_path):
    folder = sample_class(ponds(generator, 2, tmp_path))
    before = pixels(folder)
    (folder / "done.json").unlink()
    more = DDIM.model_copy(update={"steps": 9})
    sample_class(ponds(generator, 2, folder, more))
    assert not set(pixels(folder)) & set(before)


def test_another_seed_draws_other_images(generator, tmp_path):
    one = sample_class(ponds(generator, 2, tmp_path / "one"))
    two = sample_class(ponds(generator, 2, tmp_path / "two", seed=1))
    assert not set(pixels(one)) & set(pixels(two))


def test_an_unfinished_generator_says_to_train_first(tmp_path):
    with pytest.raises(NotReady, match="terrabalance train"):
        sample_class(ponds(tmp_path / "none", 2, tmp_path / "s"))


def test_more_ddim_steps_than_timesteps_are_refused(generator, tmp_path):
    config = SamplingConfig(steps=21)
    with pytest.raises(BadInput, match="20 timesteps"):
        sample_class(ponds(generator, 2, tmp_path, config))


def test_drawing_more_that_was_killed_at_its_very_end_is_mended(generator, tmp_path, monkeypatch):
    def draw(n: int) -> Path:
        return sample_class(ponds(generator, n, tmp_path))

    draw(4)
    with monkeypatch.context() as patch:
        patch.setattr("augment.sample.sampling.mark_done", _killed)
        with pytest.raises(KeyboardInterrupt):
            draw(8)
    draw(4)
    assert len(read_manifest(tmp_path).frame) == done(tmp_path)["n_images"] == 4
    draw(8)
    assert len(read_manifest(tmp_path).frame) == done(tmp_path)["n_images"] == 8


def _killed(*_: object) -> None:
    raise KeyboardInterrupt
