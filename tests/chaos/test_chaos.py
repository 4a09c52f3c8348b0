"""Runs that are killed, starved and damaged. Long on demand: see CONTRIBUTING.md."""

import os
import random
from collections import Counter

from .damage import kinds, outcome_of
from .kills import WORK, Kills, table

LONG = "CHAOS_KILLS" in os.environ
N_KILLS = int(os.environ.get("CHAOS_KILLS", len(WORK)))
N_DAMAGES = 3  # of each finished file, in the long form
SEED = int(os.environ.get("CHAOS_SEED", "0"))
RUN_S = 15.0  # about what `run` lasts; a kill that comes too late does not count


def test_killed_at_random_moments_every_stage_ends_with_the_same_files(tiny, capsys):
    kills = Kills(tiny, random.Random(SEED))
    each = N_KILLS // len(WORK)
    kills.of_the_stages(each)
    kills.of_run(N_KILLS - each * (len(WORK) - 1), RUN_S)
    with capsys.disabled():
        print("", *table(kills), sep="\n")  # noqa: T201
    assert kills.hits.total() >= N_KILLS and min(kills.hits[work] for work in WORK) >= each
    assert not kills.wrong


def test_damage_to_a_finished_file_is_mended_or_named(tiny, capsys):
    draw, outcomes = random.Random(SEED), []
    for files in kinds(tiny.made).values():
        names = files * N_DAMAGES if LONG else draw.sample(files, 1)
        outcomes += [outcome_of(tiny, name, draw) for name in names]
    count = Counter(outcome.what for outcome in outcomes)
    with capsys.disabled():
        print("", dict(count), *(o for o in outcomes if o.what == "wrong"), sep="\n")  # noqa: T201
    assert count["mended"] and not count["wrong"]
