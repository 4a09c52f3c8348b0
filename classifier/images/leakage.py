"""Checks that what is evaluated on is real and unseen: the usual ways in which test data leaks."""

import pandas as pd

from classifier.images.loading import check_known, train_classes
from terrabalance.errors import BadInput
from terrabalance.manifest import ORACLE, Manifest


def check_leakage(manifest: Manifest) -> None:
    """Make sure that val and test hold real images only, and that no arm trains on one of them.

    Raises:
        BadInput: a synthetic image in val or test, a test part without images, a class without a
            real training image, or an image that is in two parts, by the checksum of its file.
    """
    val, test = manifest.usable("val"), manifest.usable("test")
    evaluated = pd.concat([val, test])
    synthetic = evaluated[evaluated["source"] != "real"]
    if len(synthetic):
        raise BadInput(
            f"{manifest.root}: {len(synthetic)} images in val or test are not real, the first is "
            f"{synthetic['path'].iloc[0]!r}. Arms are compared on real images only: move them to "
            "train."
        )
    if test.empty:
        raise BadInput(f"{manifest.root}: no real image in split 'test'. Split the dataset first.")
    check_known(manifest, evaluated, train_classes(manifest))
    both = val[val["sha256"].isin(set(test["sha256"]) - {""})]
    if len(both):
        raise BadInput(
            f"{manifest.root}: {len(both)} images of val are in test as well, the first is "
            f"{both['path'].iloc[0]!r}. Settings would be chosen on test images: take them out."
        )
    learned = pd.concat([manifest.usable("train"), manifest.usable(ORACLE)])
    leaked = evaluated[evaluated["sha256"].isin(set(learned["sha256"]) - {""})]
    if len(leaked):
        raise BadInput(
            f"{manifest.root}: {len(leaked)} images of val or test are trained on as well, the "
            f"first is {leaked['path'].iloc[0]!r}. Take them out of one of the two."
        )
