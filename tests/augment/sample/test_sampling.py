from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.ndimage import gaussian_filter
from torch.multiprocessing.reductions import StorageWeakRef

from augment.config import GeneratorConfig, SamplingConfig, TrainingConfig
from augment.network.generator import build_diffusion
from augment.sample.batch import draw_batch
from augment.sample.samplers import trajectory
from augment.sample.sampling import sample_class
from augment.train.spec import Recipe
from augment.train.training import train_generator
from terrabalance.errors import BadInput, NotReady
from terrabalance.files import done, sha256_of
from terrabalance.manifest import read_manifest
from terrabalance.symmetry import apply_symmetry

TINY = GeneratorConfig(image_size=16, dim=8, dim_mults=(1, 2), timesteps=20)
DDIM = SamplingConfig(sampler="ddim", steps=5, batch_size=4)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 16, 16), np.uint8)
    recipe = Recipe("Pond", TINY, TrainingConfig(steps=4, batch_size=4), seed=1)
    folder = tmp_path_factory.mktemp("g") / "Pond-1"
    return train_generator(images, recipe, folder, torch.device("cpu"))


@pytest.fixture
def diffusion():
    torch.manual_seed(0)
    return build_diffusion(TINY).eval()


def pixels(folder) -> list[bytes]:
    return [Image.open(path).tobytes() for path in sorted(folder.glob("0*.png"))]


def as_uint8(unit: torch.Tensor) -> np.ndarray:
    return (unit * 255).round().to(torch.uint8).numpy()


def test_ddim_equals_upstream_from_the_same_noise(diffusion, cpu):
    ours, _ = draw_batch(diffusion, [7], DDIM, cpu)
    noise = torch.randn((3, 16, 16), generator=torch.Generator().manual_seed(7))
    reference = build_diffusion(TINY)
    reference.load_state_dict(diffusion.state_dict())
    reference.sampling_timesteps = 5
    torch.manual_seed(7)  # upstream draws its noise from the global state: the same numbers
    torch.testing.assert_close(torch.randn(1, 3, 16, 16)[0], noise)
    torch.manual_seed(7)
    theirs = as_uint8(reference.eval().ddim_sample((1, 3, 16, 16)))
    assert np.abs(ours.astype(int) - theirs).max() <= 1  # rounding of a float on the edge


def test_ancestral_equals_upstream_from_the_same_noise(diffusion, cpu):
    ours, _ = draw_batch(diffusion, [7], SamplingConfig(sampler="ancestral"), cpu)
    torch.manual_seed(7)
    theirs = as_uint8(diffusion.p_sample_loop((1, 3, 16, 16)).clamp(0, 1))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_an_image_is_the_same_however_the_batches_fall(diffusion, cpu):
    seeds = list(range(8))
    for config in (DDIM, DDIM.model_copy(update={"eta": 1.0}), SamplingConfig(sampler="ancestral")):
        together, _ = draw_batch(diffusion, seeds, config, cpu)
        apart = [draw_batch(diffusion, part, config, cpu)[0] for part in (seeds[:3], seeds[3:])]
        difference = np.abs(together.astype(int) - np.concatenate(apart).astype(int))
        assert difference.max() <= 1


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "ancestral"])
def test_the_strip_costs_no_more_memory_than_its_frames(diffusion, cpu, monkeypatch, sampler):
    batches: list[StorageWeakRef] = []

    def watched(*arguments):
        for images in trajectory(*arguments):
            batches.append(StorageWeakRef(images.untyped_storage()))
            yield images
            assert sum(not batch.expired() for batch in batches) <= 4

    monkeypatch.setattr("augment.sample.batch.trajectory", watched)
    config = SamplingConfig(sampler=sampler, steps=12)
    _, strip = draw_batch(diffusion, [1, 2], config, cpu, frames=3)
    assert len(batches) == (21 if sampler == "ancestral" else 13) and len(strip) == 3


def test_strip_goes_from_noise_to_the_first_image(diffusion, cpu):
    images, strip = draw_batch(diffusion, [1, 2], DDIM, cpu, frames=4)
    assert strip.shape == (4, 3, 16, 16)
    assert np.array_equal(strip[-1], images[0])


def test_every_file_says_that_it_is_synthetic(generator, tmp_path, cpu):
    sample_class(generator, "Pond", 3, DDIM, 0, tmp_path, cpu, run="r1")
    with Image.open(tmp_path / "000002.png") as image:
        text = image.text
    row = read_manifest(tmp_path).frame.iloc[2]
    assert text["terrabalance:synthetic"] == "true" and "synthetic" in text["Description"]
    assert text["terrabalance:class"] == row["class"] == "Pond"
    assert text["terrabalance:generator"] == row["generator"] == "Pond-1"
    assert int(text["terrabalance:seed"]) == row["seed"] and text["terrabalance:run"] == "r1"


def test_manifest_rows_are_synthetic_training_images(generator, tmp_path, cpu):
    sample_class(generator, "Pond", 3, DDIM, 0, tmp_path, cpu, run="r")
    frame = read_manifest(tmp_path).usable()
    assert set(frame["source"]) == {"synthetic"} and set(frame["split"]) == {"train"}
    assert list(frame["sha256"]) == [sha256_of(tmp_path / name) for name in frame["path"]]


def test_sampling_resumes_without_redrawing_and_ends_the_same(generator, tmp_path, cpu):
    whole = sample_class(generator, "Pond", 7, DDIM, 0, tmp_path / "whole", cpu, run="r")

    def stop(done: int, total: int, message: str = "") -> None:
        raise KeyboardInterrupt

    part = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        sample_class(generator, "Pond", 7, DDIM, 0, part, cpu, "r", stop)
    before = {path.name: path.stat().st_mtime_ns for path in part.glob("0*.png")}
    assert len(before) == 4
    sample_class(generator, "Pond", 7, DDIM, 0, part, cpu, run="r")
    assert pixels(part) == pixels(whole)
    assert all((part / name).stat().st_mtime_ns == at for name, at in before.items())


def test_a_damaged_file_is_drawn_again(generator, tmp_path, cpu):
    whole = sample_class(generator, "Pond", 4, DDIM, 0, tmp_path / "whole", cpu, run="r")
    part = sample_class(generator, "Pond", 4, DDIM, 0, tmp_path / "part", cpu, run="r")
    (part / "done.json").unlink()
    (part / "000001.png").write_bytes((part / "000001.png").read_bytes()[:200])
    sample_class(generator, "Pond", 4, DDIM, 0, part, cpu, run="r")
    assert pixels(part) == pixels(whole)


def test_an_image_that_was_lost_or_changed_after_the_end_is_drawn_again(generator, tmp_path, cpu):
    folder = sample_class(generator, "Pond", 4, DDIM, 0, tmp_path, cpu, run="r")
    before = pixels(folder)
    (folder / "000000.png").unlink()
    with Image.open(folder / "000002.png") as image:
        other = PngInfo()
        for key, value in image.text.items():
            other.add_itxt(key, value)  # a forgery that carries all the marks
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "000002.png", pnginfo=other)
    assert pixels(folder) != before
    sample_class(generator, "Pond", 4, DDIM, 0, folder, cpu, run="r")
    assert pixels(folder) == before


def test_another_number_of_calls_draws_anew(generator, tmp_path, cpu):
    folder = sample_class(generator, "Pond", 2, DDIM, 0, tmp_path, cpu, run="r")
    before = pixels(folder)
    (folder / "done.json").unlink()
    more = DDIM.model_copy(update={"steps": 9})
    sample_class(generator, "Pond", 2, more, 0, folder, cpu, run="r")
    assert not set(pixels(folder)) & set(before)


def test_another_seed_draws_other_images(generator, tmp_path, cpu):
    one = sample_class(generator, "Pond", 2, DDIM, 0, tmp_path / "one", cpu, run="r")
    two = sample_class(generator, "Pond", 2, DDIM, 1, tmp_path / "two", cpu, run="r")
    assert not set(pixels(one)) & set(pixels(two))


def test_an_unfinished_generator_says_to_train_first(tmp_path, cpu):
    with pytest.raises(NotReady, match="terrabalance train"):
        sample_class(tmp_path / "none", "Pond", 2, DDIM, 0, tmp_path / "s", cpu, run="r")


def test_more_ddim_steps_than_timesteps_are_refused(generator, tmp_path, cpu):
    config = SamplingConfig(steps=21)
    with pytest.raises(BadInput, match="20 timesteps"):
        sample_class(generator, "Pond", 2, config, 0, tmp_path, cpu, run="r")


@pytest.mark.parametrize("sampler", ["dpm++", "ddim", "ancestral"])
def test_a_variation_stays_the_nearer_to_its_real_image_the_weaker_it_is(diffusion, cpu, sampler):
    reals = np.random.default_rng(1).integers(0, 256, (5, 3, 16, 16), np.uint8)
    ways = np.concatenate(
        [apply_symmetry(torch.from_numpy(reals), which).numpy() for which in range(8)]
    ).astype(int)

    def distances(strength: float) -> np.ndarray:
        config = SamplingConfig(sampler=sampler, steps=20, strength=strength)
        drawn, _ = draw_batch(diffusion, range(12), config, cpu, starts=reals)
        return np.abs(drawn[:, None].astype(int) - ways).mean((2, 3, 4)).min(1)

    assert distances(0.05).max() < 30 < 45 < distances(0.9).mean()


def test_variations_of_a_class_are_the_same_again(generator, tmp_path, cpu):
    reals = np.random.default_rng(1).integers(0, 256, (5, 3, 16, 16), np.uint8)
    config = SamplingConfig(steps=5, batch_size=4, strength=0.5)

    def drawn(n: int) -> list[bytes]:
        folder = tmp_path / str(n)
        return pixels(
            sample_class(generator, "Pond", n, config, 0, folder, cpu, "r", reals=lambda: reals)
        )

    assert drawn(7)[:3] == drawn(3)


@pytest.fixture
def reals():
    """Soft pictures, unlike what an untrained network draws."""
    noise = np.random.default_rng(2).normal(128, 200, (9, 3, 16, 16))
    return gaussian_filter(noise, (0, 0, 1, 1)).clip(0, 255).astype(np.uint8)


def test_the_spectrum_of_real_images_is_matched(generator, reals, tmp_path, cpu):
    drawn = {
        match: sample_class(
            generator, "Pond", 20, DDIM.model_copy(update={"match_spectrum": match}), 0,
            tmp_path / str(match), cpu, "r", reals=lambda: reals,
        )
        for match in (True, False)
    }  # fmt: skip
    assert (drawn[True] / "spectrum.json").exists() and (drawn[True] / "strip.png").exists()
    assert not (drawn[False] / "spectrum.json").exists()

    def roughness(folder) -> float:
        images = [np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))]
        return float(np.abs(np.diff(np.stack(images).astype(int), axis=2)).mean())

    assert roughness(drawn[True]) < 0.8 * roughness(drawn[False])


@pytest.mark.parametrize("batch_size", [4, 50])
def test_a_filtered_image_does_not_depend_on_how_many_are_drawn(
    generator, reals, tmp_path, cpu, batch_size
):
    config = DDIM.model_copy(update={"batch_size": batch_size, "steps": 2})

    def drawn(n: int, into: str) -> list[bytes]:
        folder = tmp_path / into
        return pixels(
            sample_class(generator, "Pond", n, config, 0, folder, cpu, "r", reals=lambda: reals)
        )

    at_once = drawn(40, "at once")
    assert drawn(3, "few") == at_once[:3]
    assert drawn(40, "few") == at_once


def test_a_filtered_drawing_goes_on_where_it_was_killed(generator, reals, tmp_path, cpu):
    def draw(into: str, listener=lambda *_: None) -> Path:
        folder = tmp_path / into
        return sample_class(
            generator, "Pond", 7, DDIM, 0, folder, cpu, "r", listener, lambda: reals
        )

    def stop(n_done, n_total, _):
        if n_done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw("killed", stop)
    assert len(pixels(tmp_path / "killed")) == 4
    assert pixels(draw("killed")) == pixels(draw("whole"))


def test_drawing_more_that_was_killed_at_its_very_end_is_mended(
    generator, tmp_path, cpu, monkeypatch
):
    def draw(n: int) -> Path:
        return sample_class(generator, "Pond", n, DDIM, 0, tmp_path, cpu, run="r")

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


def test_a_square_of_a_real_image_is_kept_and_the_rest_is_drawn(diffusion, cpu):
    reals = np.random.default_rng(1).integers(0, 256, (1, 3, 16, 16), np.uint8)
    ways = [apply_symmetry(torch.from_numpy(reals[0]), k).numpy().astype(int) for k in range(8)]
    config = SamplingConfig(steps=20, keep=0.75)
    drawn, _ = draw_batch(diffusion, range(6), config, cpu, starts=reals)
    again, _ = draw_batch(diffusion, range(6), config, cpu, starts=reals)
    assert (drawn == again).all()
    for image in drawn.astype(int):
        same = min(ways, key=lambda way: np.abs(image - way).mean())
        equal = (np.abs(image - same).max(0) <= 2).mean()
        assert 0.2 < equal < 0.65  # of 0.56 with its borders
    with pytest.raises(ValueError, match=r"keep needs sampler = dpm\+\+"):
        SamplingConfig(keep=0.5, sampler="ddim")


def test_real_images_are_not_read_where_nothing_is_to_be_drawn(generator, reals, tmp_path, cpu):
    asked = []

    def read() -> np.ndarray:
        asked.append(1)
        return reals

    for n in (3, 3, 2, 4):
        sample_class(generator, "Pond", n, DDIM, 0, tmp_path, cpu, "r", reals=read)
    assert len(asked) == 2
