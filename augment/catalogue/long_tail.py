"""Choose a long-tailed benchmark from images of which every class has enough.

The number of training images falls exponentially from the most frequent class to the rarest, as in
the long-tailed CIFAR of Cui et al. 2019 (arXiv:1901.05555). Validation and test stay balanced.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from augment.catalogue.draw import unit_labels
from augment.catalogue.entries import Given, natural_key
from terrabalance.errors import BadInput
from terrabalance.manifest import ORACLE, REPAIRED, Manifest
from terrabalance.seeds import seed_for
from terrabalance.wording import shown

UNUSED = "unused"  # real images that nothing of the benchmark reads
PARTS = ("train", "val", "test", ORACLE, UNUSED)
BY_SIZE, BY_NAME = "sizes", "names"  # orders
_HELD_OUT_SHARE = 5  # val and test are each a fifth of the smallest class, as in `SplitConfig`
_DECIMALS = 6  # of a power, which differs in its last digits from machine to machine

Unit = list[int]  # places of images that belong together


@dataclass(frozen=True)
class LongTail:
    """The benchmark that is wanted.

    Attributes:
        imbalance: training images of the most frequent class over those of the rarest, 1 or more.
        head: training images of the most frequent class; None: as many as every class can give.
        val, test: images of each class; None: a fifth of the smallest class, or less where `head`
            leaves less.
        order: from the most frequent class to the rarest. A seed: random by it; None: random by
            `seed`; `BY_SIZE`: by usable images, most first; `BY_NAME`: sorted, as CIFAR's.
        seed: of which images go where.
    """

    imbalance: float
    head: int | None = None
    val: int | None = None
    test: int | None = None
    order: int | str | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What was chosen.

    Attributes:
        rows: columns path, class, split (one of `PARTS`); in natural order of the paths.
        order: the classes, the most frequent first.
        kept_away: usable images in no part, as they belong with images of val or test.
        repaired: usable images in no part, as a generator has filled a part of them.
    """

    rows: pd.DataFrame
    order: list[str]
    kept_away: int
    repaired: int


def profile(head: int, imbalance: float, n_classes: int) -> list[int]:
    """Return the training images of each class: `head * imbalance ** (-i / (n_classes - 1))`.

    Rounded to the nearest, a half up. The code of LDAM (Cao et al. 2019, arXiv:1906.07413), from
    which many have their long-tailed CIFAR, rounds down instead.

    Args:
        head: images of the class i = 0.
        imbalance: 1 or more.
        n_classes: 2 or more.
    """
    exact = (head * imbalance ** (-i / (n_classes - 1)) for i in range(n_classes))
    return [math.floor(round(n, _DECIMALS) + 0.5) for n in exact]


def make_long_tail(manifest: Manifest, wanted: LongTail, given: Given | None = None) -> Benchmark:
    """Choose the images of a long-tailed benchmark; the split of the manifest is not read.

    Images of one `group` or `place` are in one part as far as the numbers allow. Never is one of
    them in val or test and another one in a different part: what a part has no need of is in none.
    Of images that train, the oracle and `UNUSED` share, single groups may be divided.

    Which images are chosen depends on their content, the classes' names and the seeds alone.

    Args:
        manifest: a row a file; those with status ok are chosen from.
        wanted: numbers, order and seeds.
        given: what the user gave, for messages; None: the manifest's root.

    Raises:
        BadInput: the imbalance is below 1 or no number, there are fewer than two classes, a class
            has too few images, or the rarest would get none.
    """
    given = given or Given(manifest.root)
    check_imbalance(wanted.imbalance)
    usable = manifest.usable()
    rows = usable[usable["detail"] != REPAIRED].reset_index(drop=True)
    classes = rows["class"].tolist()
    sizes = Counter(classes)
    if len(sizes) < 2:
        raise BadInput(
            f"{given}: a long tail needs two classes or more with usable images, and this has "
            f"{len(sizes)}."
        )
    units = _units(rows, wanted.seed)
    held_out = _held_out(wanted, min(sizes.values()))
    parts: list[str | None] = [None] * len(rows)
    kept_away = 0
    for part, n in held_out.items():
        taken, units, surplus = _take(units, classes, dict.fromkeys(sizes, n))
        _put(parts, taken, part)
        kept_away += sum(map(len, surplus))
    left = Counter(classes[place] for unit in units for place in unit)
    head = _head(wanted.head, sizes, left, held_out, given)
    order = _order(sizes, wanted)
    numbers = dict(zip(order, profile(head, wanted.imbalance, len(order)), strict=True))
    _refuse_without_tail(head, wanted.imbalance, numbers[order[-1]])
    for part, need in (("train", numbers), (ORACLE, {c: head - n for c, n in numbers.items()})):
        taken, units, surplus = _take(units, classes, need)
        _put(parts, taken, part)
        units = [*units, *surplus]
    _put(parts, (place for unit in units for place in unit), UNUSED)
    return Benchmark(_listed(rows, parts), order, kept_away, len(usable) - len(rows))


def check_imbalance(imbalance: float) -> None:
    """Refuse what is no imbalance.

    Raises:
        BadInput: it is below 1, infinite or no number.
    """
    if not 1 <= imbalance < math.inf:
        raise BadInput(
            f"--imbalance {imbalance:g}: give a number from 1 on, such as 100: how many times as "
            "many training images the most frequent class has as the rarest."
        )


def _refuse_without_tail(head: int, imbalance: float, rarest: int) -> None:
    if not rarest:
        raise BadInput(
            f"--imbalance {imbalance:g}: of a head of {head} images it leaves the rarest class "
            f"none. Give {2 * head} at most, or a head of {math.ceil(imbalance / 2)} images, where "
            "the classes have so many."
        )


def _units(rows: pd.DataFrame, seed: int) -> list[Unit]:
    """Return the places that belong together, in an order by the images' content and the seed."""
    contents = zip(rows["sha256"], rows["beside"], strict=True)
    turns = [seed_for(seed, "long tail", sha256, beside) for sha256, beside in contents]
    together: dict[int, Unit] = defaultdict(list)
    labels = unit_labels(rows).tolist()
    for place in sorted(range(len(rows)), key=turns.__getitem__):
        together[labels[place]].append(place)
    return list(together.values())  # in the order of their first images


def _held_out(wanted: LongTail, smallest: int) -> dict[str, int]:
    """Return the images of test and of val a class, where the smallest class has `smallest`."""
    asked = {"test": wanted.test, "val": wanted.val}
    usual = smallest // _HELD_OUT_SHARE
    if wanted.head is not None:
        beside = smallest - wanted.head - sum(n for n in asked.values() if n is not None)
        usual = min(usual, beside // max(sum(n is None for n in asked.values()), 1))
    return {part: max(usual, 1) if n is None else n for part, n in asked.items()}


def _take(
    units: Iterable[Unit], classes: Sequence[str], numbers: Mapping[str, int]
) -> tuple[list[int], list[Unit], list[Unit]]:
    """Take images of each class: in units that fit as a whole, then from the smallest others.

    Args:
        units: in the order in which they are looked at.
        classes: of each place.
        numbers: images of each class that are to be taken.

    Returns:
        The places that are taken, fewer than wanted where there are no more; the units of which
        none is taken; and of the units that were divided, what is not taken.
    """
    need, taken = Counter(numbers), list[int]()
    too_large = []
    for unit in units:
        counts = Counter(classes[place] for place in unit)
        if all(need[name] >= n for name, n in counts.items()):
            taken += unit
            need.subtract(counts)
        else:
            too_large.append(unit)
    divided: dict[int, Unit] = {}
    for unit in sorted(too_large, key=len):
        rest = []
        for place in unit:
            if need[classes[place]]:
                need[classes[place]] -= 1
                taken.append(place)
            else:
                rest.append(place)
        if len(rest) < len(unit):
            divided[unit[0]] = rest
    left = [unit for unit in too_large if unit[0] not in divided]
    return taken, left, list(divided.values())


def _put(parts: list[str | None], places: Iterable[int], part: str) -> None:
    for place in places:
        parts[place] = part


def _head(
    head: int | None,
    sizes: Mapping[str, int],
    left: Mapping[str, int],
    held_out: Mapping[str, int],
    given: Given,
) -> int:
    """Return the training images of the most frequent class.

    Any class may be it, and the oracle fills all the others up to it.

    Args:
        head: that is wanted; None: the largest.
        sizes: usable images of each class.
        left: those that are in neither val nor test, nor belong with images there.
        held_out: images of test and of val a class.
        given: for messages.
    """
    least = min(sorted(sizes), key=lambda name: left.get(name, 0))
    largest = left.get(least, 0)
    has = f"{given}: class {shown(least)} has {sizes[least]} usable images"
    beside = f"{held_out['val']} in val and {held_out['test']} in test"
    if not largest:
        raise BadInput(
            f"{has}, which leaves none to train on beside {beside}, with what belongs together in "
            f"one part. Lower --val and --test. {given.leave_out}"
        )
    if head is not None and head > largest:
        raise BadInput(
            f"{has}, {largest} of them beside {beside} and what belongs with these, and --head "
            f"asks for {head}. The largest head that works is {largest}."
        )
    return largest if head is None else head


def _order(sizes: Mapping[str, int], wanted: LongTail) -> list[str]:
    """Return the classes, the most frequent first."""
    names = sorted(sizes)
    if wanted.order == BY_NAME:
        return names
    if wanted.order == BY_SIZE:
        return sorted(names, key=lambda name: -sizes[name])
    seed = wanted.seed if wanted.order is None else wanted.order
    return sorted(names, key=lambda name: seed_for(seed, "order of a long tail", name))


def _listed(rows: pd.DataFrame, parts: Sequence[str | None]) -> pd.DataFrame:
    chosen = rows.assign(split=parts).loc[[part is not None for part in parts]]
    by_path = sorted(chosen.index, key=lambda row: natural_key(chosen.at[row, "path"]))
    return chosen.loc[by_path, ["path", "class", "split"]].reset_index(drop=True)
