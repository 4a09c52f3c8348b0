"""SIGKILLs at random moments of every stage, and what they leave in the end."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from processes import Ended, end_orphans

from .sameness import differences, results
from .tiny_run import STAGES, TinyRun

# Where a kill can fall; training is two.
WORK = ("scan", "plan", "train base", "train class", *STAGES[3:], "run")
_LATE = 1.1  # of an undisturbed duration: some kills come too late, as in life


@dataclass
class Kills:
    """Kills of a tiny run.

    Attributes:
        run: what is killed.
        draw: of moments.
        hits: how many kills fell into which work.
        finished: how many killed runs were then let end.
        wrong: files that differed in the end, exits that were none, processes left behind.
    """

    run: TinyRun
    draw: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    wrong: list[str] = field(default_factory=list)

    def of_the_stages(self, n_each: int) -> None:
        """Kill every stage so often, one after the other, in one workdir."""
        self.run.put(None)
        for stage in STAGES:
            works = ("train base", "train class") if stage == "train" else (stage,)
            before = self.run.home / "before"
            shutil.rmtree(before, ignore_errors=True)
            if self.run.workdir.exists():
                shutil.copytree(self.run.workdir, before)
            for work in works:
                self._of_work(stage, work, n_each, before)
            self._finish(stage, self.run.after[stage])

    def _of_work(self, stage: str, work: str, n: int, before: Path) -> None:
        """Kill a stage until so many kills fell into a work; anew whenever it got through."""
        tries = 0
        while self.hits[work] < n and tries < 20 * n:
            tries += 1
            hit = self._kill(stage, self.run.seconds[stage])
            if not hit.killed or (work == "train base" and self._base_is_done()):
                self._finish(stage, self.run.after[stage])
                self.run.put(before if before.exists() else None)

    def of_run(self, n: int, seconds: float) -> None:
        """Kill `terrabalance run`, its server beside it, so often; then let it end.

        Args:
            n: kills.
            seconds: that it lasts, about.
        """
        self.run.put(None)
        expected = self.run.after["report"]
        while self.hits["run"] < n:
            hit = self._kill("run", seconds)
            if left := end_orphans(hit):
                self.wrong.append(f"run left {left}")
            if not hit.killed:
                self._finish("run", expected)
                self.run.put(None)
        self._finish("run", expected)

    def _kill(self, stage: str, seconds: float) -> Ended:
        moment = self.draw.uniform(0, _LATE * seconds)
        ended = self.run.nursery.do(self.run.command(stage), kill_after_s=moment)
        if ended.killed:
            self.hits[self._work_of(stage)] += 1
        elif ended.exit:
            self.wrong.append(f"{stage} exits with {ended.exit}: {ended.said[-500:]}")
        return ended

    def _work_of(self, stage: str) -> str:
        if stage != "train":
            return stage
        return "train class" if self._base_is_done() else "train base"

    def _base_is_done(self) -> bool:
        return any(self.run.workdir.glob("data/generators/base-*/done.json"))

    def _finish(self, stage: str, expected: dict[str, str]) -> None:
        ended = self.run.nursery.do(self.run.command(stage))
        end_orphans(ended)
        self.finished += 1
        if ended.exit:
            self.wrong.append(f"{stage} exits with {ended.exit}: {ended.said[-500:]}")
        found = {name: own for name, own in results(self.run.workdir).items() if _compared(name)}
        self.wrong += [f"{stage}: {name} differs" for name in differences(found, expected)]


def _compared(name: str) -> bool:
    return not name.endswith("account.json")  # which `run` alone writes


def table(kills: Kills) -> Iterator[str]:
    """Yield lines that say where the kills fell and what was wrong."""
    yield from (f"{work:12} {kills.hits[work]:4} kills" for work in WORK)
    yield f"{kills.hits.total()} kills, {kills.finished} times let end, {len(kills.wrong)} wrong"
    yield from kills.wrong
