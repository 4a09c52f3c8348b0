"""Do the rules refuse what was planted, and keep real images that they have not seen?

    python benchmarks/screening.py AID efficientnet-lite0.pth WORKDIR docs/benchmarks

AID is a folder with one subfolder a class. Each class is cut in three: train (60 %), validation
(20 %, sets the limits) and held out (20 %), near-duplicates together as in every run. Planted
among synthetic images, of every class: training images as they are, mirrored, turned, recoloured,
encoded anew; held-out images of other classes; held-out images of the class with noise and blurred;
noise alone. Repeats are planted apart: held-out images, and after them the same ones turned,
encoded anew, or both, as if all had been drawn. Writes screening-<side>px.md: the share of each
kind that is refused, and of held-out images.
"""

import argparse
import io
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter

from augment.measure.likeness import likeness
from augment.screen.fitted_rules import RealPart, fit_rules
from augment.screen.limits import accepted
from augment.screen.rules import LIMITED
from augment.screen.rules.repeat import repeats
from augment.screen.rules.rule import Scores
from augment.screen.scoring import score_images
from classifier.feature_network import FeatureConfig
from classifier.network.features import FeatureNetwork, pretrained_network
from classifier.network.views import FeatureCache, Views, features_of_views
from flows.settings.config import RunConfig
from flows.stages.run import Run
from terrabalance.bands import RGB
from terrabalance.device import describe_device
from terrabalance.files import write_text
from terrabalance.images import read_patches
from terrabalance.progress import silent
from terrabalance.sizes import height_width
from terrabalance.symmetry import keep_shape

CPU, N_PLANTED, SHARE = torch.device("cpu"), 12, 0.04
Change = Callable[[Image.Image], Image.Image]


def changed(images: np.ndarray, change: Change) -> np.ndarray:
    """Apply a change of Pillow's to (N, 3, H, W) uint8."""
    pictures = [change(Image.fromarray(image.transpose(1, 2, 0))) for image in images]
    return np.stack([np.asarray(picture).transpose(2, 0, 1) for picture in pictures])


def encoded(picture: Image.Image) -> Image.Image:
    """Return a picture after a JPEG of middling quality."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def noisy(images: np.ndarray, spread: float) -> np.ndarray:
    """Add white noise, in grey levels."""
    noise = np.random.default_rng(0).normal(0, spread, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


def recoloured(images: np.ndarray) -> np.ndarray:
    """Return images with the bands in another order and other gains."""
    gains = np.array([1.2, 0.85, 1.0])[None, :, None, None]
    return (images[:, [2, 0, 1]] * gains).clip(0, 255).astype(np.uint8)


def turned(images: np.ndarray) -> np.ndarray:
    """Turn (N, C, H, W) by a quarter."""
    return np.rot90(images, 1, (2, 3)).copy()


def planted(train: np.ndarray, held_out: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """Return what should be refused, by kind."""
    return {
        "copy: exact": train,
        "copy: mirrored": train[..., ::-1].copy(),
        "copy: turned": turned(train),
        "copy: recoloured": recoloured(train),
        "copy: encoded anew": changed(train, encoded),
        "another class": others,
        "noise, 25 levels": noisy(held_out, 25),
        "noise alone": noisy(np.full_like(held_out, 128), 60),
        "blur, 1 px": changed(
            held_out, lambda picture: picture.filter(ImageFilter.GaussianBlur(1))
        ),
        "blur, 2 px": changed(
            held_out, lambda picture: picture.filter(ImageFilter.GaussianBlur(2))
        ),
    }


class Bench:
    """The images of AID, their features, and what judges each class."""

    def __init__(self, config: RunConfig, network: FeatureNetwork) -> None:
        manifest = Run(config).catalogue
        self.names, self.network, self.size = (
            manifest.classes(),
            network,
            config.generator.image_size,
        )
        cache = FeatureCache(
            config.workdir / "features", network.key, lambda: network.embed, self.size, RGB
        )
        self.parts, self.views = {}, keep_shape(*height_width(self.size))
        for split in ("train", "val", "test"):
            rows = manifest.usable(split)
            self.parts[split] = RealPart(
                read_patches(manifest.paths(rows), self.size),
                cache.of(manifest, rows, Views(self.views), silent).float().numpy(),
                rows["class"].map(self.names.index).to_numpy(int),
            )
        screener = fit_rules(self.parts["train"], self.parts["val"], SHARE)
        assert screener is not None
        self.screener = screener

    def judged(self, images: np.ndarray, label: int) -> Scores:
        """Score images as if drawn for the class."""
        of = self.screener.class_of(label, self.parts["train"].of(label))
        features = features_of_views(self.network.embed, images, self.views)
        return score_images(self.screener.candidates(images, features), of)

    def planted(self, label: int) -> dict[str, np.ndarray]:
        """Return what is planted in a class, and its held-out real images."""
        rng = np.random.default_rng(label)
        held_out = self.parts["test"].of(label).images
        foreign = np.flatnonzero(self.parts["test"].labels != label)
        chosen = rng.choice(foreign, 4 * N_PLANTED, replace=False)
        train = self.parts["train"].of(label).images[:N_PLANTED]
        others = self.parts["test"].images[chosen]
        return {"real, held out": held_out} | planted(train, held_out[:N_PLANTED], others)


def refused(bench: Bench) -> pd.DataFrame:
    """Return a row for each image: its class, its kind, and which rules refuse it."""
    rows = []
    for label, name in enumerate(bench.names):
        limit = bench.screener.limits[label]
        for kind, images in bench.planted(label).items():
            found = bench.judged(images, label)
            by = {rule: values > limit[rule] for rule, values in found.items()}
            kept = accepted(found, limit)
            rows.append(pd.DataFrame({"class": name, "kind": kind, "refused": ~kept, **by}))
        shares = {str(r["kind"].iloc[0]): round(float(r["refused"].mean()), 2) for r in rows[-11:]}
        print(name, shares, flush=True)
    return pd.concat(rows, ignore_index=True)


def repeated(bench: Bench) -> dict[str, np.ndarray]:
    """Say which images are called repeats: planted ones, and real ones, which repeat nothing.

    An image may repeat any that came before it, so a large class has more to be wrong about.
    """
    called: dict[str, list[np.ndarray]] = {}
    for label in range(len(bench.names)):
        images, limit = bench.parts["test"].of(label).images, bench.screener.limits[label]["copy"]
        some = images[:N_PLANTED]
        kinds = {
            "repeat: turned": turned(some),
            "repeat: encoded anew": changed(some, encoded),
            "repeat: turned and encoded anew": changed(turned(some), encoded),
        }
        for kind, again in kinds.items():
            both = np.concatenate([some, again])
            score = repeats(likeness(both, both), limit, np.ones(len(both), bool))
            called.setdefault(kind, []).append(score[len(some) :] > 0)
        score = repeats(likeness(images, images), limit, np.ones(len(images), bool))
        called.setdefault("real, held out, no repeats", []).append(score > 0)
    return {kind: np.concatenate(found) for kind, found in called.items()}


def page(found: pd.DataFrame, again: dict[str, np.ndarray], bench: Bench, input_px: int) -> str:
    """Return the page."""
    repeat_rows = [
        f"| {kind} | {len(said):,} | {100 * said.mean():.1f} |" for kind, said in again.items()
    ]
    by_kind = found.drop(columns="class").groupby("kind", sort=False).mean()
    real = found[found["kind"] == "real, held out"].groupby("class")["refused"].mean()
    foreign = found[found["kind"] == "another class"].groupby("class")["refused"].mean()
    copies = found[found["kind"].str.startswith("copy")]["refused"].mean()
    planted = found[found["kind"] != "real, held out"]["refused"].mean()
    rows = [
        f"| {kind} | {int((found['kind'] == kind).sum()):,} | {100 * row['refused']:.1f} | "
        + " | ".join(f"{100 * row[rule]:.0f}" for rule in LIMITED)
        + " |"
        for kind, row in by_kind.iterrows()
    ]
    test = bench.parts["test"]
    log_p = bench.screener.recognizer.log_p(test.features)
    accuracy = (log_p.argmax(1) == test.labels).mean()
    return f"""# What screening refuses

AID, all thirty classes: train 60 % (what the rules know), validation 20 % (sets the limits, at
{100 * SHARE:.0f} % of real images), held out 20 %. Images at {bench.size} px, features of
tf_efficientnet_lite0 (ImageNet) at {input_px} px; the linear recognizer is right about
{100 * accuracy:.1f} % of held-out images. Share refused in %, and by which rule (an image may count
for several).

| Planted | images | refused | {" | ".join(LIMITED)} |
|---|---|---|{"---|" * len(LIMITED)}
{chr(10).join(rows)}

Held-out real images refused: {100 * real.mean():.1f} % over the classes, worst {real.idxmax()}
with {100 * real.max():.1f} %. All that was planted, together: {100 * planted:.1f} % refused; copies
of training images: {100 * copies:.1f} %.
Images of other classes: least in {foreign.idxmin()} ({100 * foreign.min():.0f} %), most in
{foreign.idxmax()} ({100 * foreign.max():.0f} %). {describe_device(CPU)}, Python
{platform.python_version()}.

| Planted behind what it repeats | images | called a repeat |
|---|---|---|
{chr(10).join(repeat_rows)}
"""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data", "weights", "workdir", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--input", type=int, default=160)
    given = parser.parse_args()
    judge = FeatureConfig(
        model="tf_efficientnet_lite0", weights=given.weights, image_size=given.input
    )
    config = RunConfig(
        data=given.data, workdir=given.workdir, preset="cpu",
        generator={"image_size": given.side}, split={"val": 0.2, "test": 0.2},
    )  # fmt: skip
    bench = Bench(config, pretrained_network(judge, CPU))
    found = refused(bench)
    found.to_csv(given.workdir / f"refused-{given.side}.csv", index=False)
    text = page(found, repeated(bench), bench, given.input)
    write_text(given.out / f"screening-{given.side}px.md", text)


if __name__ == "__main__":
    main()
