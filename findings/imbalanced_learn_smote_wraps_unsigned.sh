#!/usr/bin/env bash
# SMOTE and ADASYN of imbalanced-learn make samples far outside their class from unsigned integers.
#
# Expected: a synthetic sample lies on the line between a sample of the minority class and one of
#   its neighbours, so that each feature stays between the smallest and the largest value of the
#   class. This is the rule that the documentation gives, with no restriction on the type of X;
#   int16 and float32 features follow it.
# What happens: with uint8 or uint16 features the difference of the two samples is taken in the
#   unsigned type, where a negative one becomes 256 or 65536 minus its size. About half of all new
#   values are then anywhere in the range of the type. Shapes, types and labels are right, and
#   nothing is said.
# Versions: imbalanced-learn 0.14.2, scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6, Python 3.11.
# Output seen:
#   SMOTE  uint8   class 60 to 79, new samples 0 to 255, 44% of the values outside the class
#   SMOTE  uint16  class 60 to 79, new samples 60 to 65117, 47% of the values outside the class
#   SMOTE  int16   class 60 to 79, new samples 60 to 79, 0% of the values outside the class
#   SMOTE  float32 class 60 to 79, new samples 60 to 79, 0% of the values outside the class
#   ADASYN uint8   class 60 to 79, new samples 0 to 255, 63% of the values outside the class
#   ADASYN uint16  class 60 to 79, new samples 21 to 65474, 69% of the values outside the class
#   ADASYN int16   class 60 to 79, new samples 62 to 78, 0% of the values outside the class
#   ADASYN float32 class 60 to 79, new samples 62 to 79, 0% of the values outside the class
# Whom it hurts: whoever balances classes of pixels or small tiles, whose features are raw 8-bit
#   colours or 16-bit reflectances. A classifier is trained on a minority class that is half
#   noise, and looks like one for which oversampling does not help.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from imblearn.over_sampling import ADASYN, SMOTE

draw = np.random.default_rng(0)
majority = draw.integers(50, 120, (400, 6))
minority = draw.integers(60, 80, (40, 6))
labels = np.repeat([0, 1], [len(majority), len(minority)])


def outside(sampler, dtype):
    """Balance the two classes; return the share of new values that lie outside the minority."""
    features = np.concatenate([majority, minority]).astype(dtype)
    balanced, balanced_labels = sampler(random_state=0).fit_resample(features, labels)
    new = balanced[len(features) :]
    assert balanced.dtype == dtype and (balanced_labels[len(features) :] == 1).all()
    low, high = minority.min(), minority.max()
    share = float(((new < low) | (new > high)).mean())
    print(
        f"{sampler.__name__:6} {np.dtype(dtype).name:7} class {low} to {high}, new samples "
        f"{new.min():.0f} to {new.max():.0f}, {share:.0%} of the values outside the class"
    )
    return share


for sampler in (SMOTE, ADASYN):
    for unsigned in (np.uint8, np.uint16):
        assert outside(sampler, unsigned) > 0.3
    for signed in (np.int16, np.float32):
        assert outside(sampler, signed) == 0
PY
echo "as described"
