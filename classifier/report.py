"""The comparison report: the verdict first, then the numbers behind it."""

from collections.abc import Mapping, Sequence
from typing import Any

from terrabalance.charts import place, symmetric_limit
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import Section, render

_METRICS = (
    ("balanced_accuracy", "Balanced accuracy"),
    ("macro_f1", "Macro F1"),
    ("accuracy", "Accuracy"),
)
_LABELS = {"real": "Real only", "synthetic": "Real + synthetic"}
_OUTCOMES = {
    "helped": ("helped", "The synthetic images helped."),
    "hurt": ("hurt", "The synthetic images hurt."),
    "no clear difference": ("unchanged", "No clear difference."),
}


def comparison_section(record: Mapping[str, Any]) -> Section:
    """Draw the comparison record (see `classifier.comparison.compare`) as one section."""
    kind, headline = _OUTCOMES[record["verdict"]["outcome"]]
    ends = [row["recall_change"][end] for row in record["per_class"] for end in ("low", "high")]
    html = render(
        "comparison.html.j2",
        record=record,
        kind=kind,
        headline=headline,
        label=_label,
        metrics=_METRICS,
        rarest_first=_rarest_first(record),
        limit=symmetric_limit(ends),
        place=place,
        matrices={
            arm: list(zip(record["classes"], _cells(record["confusion"][arm]), strict=True))
            for arm in record["arms"]
        },
        training=_training(record["training"]),
    )
    return Section("Did it help?", html, "comparison")


def comparison_markdown(record: Mapping[str, Any]) -> str:
    """Return the short version in Markdown: the sentence, the scores, the classes that changed."""
    arms = record["arms"]
    scores = markdown_table(
        ["Metric", *map(_label, arms), "Difference", "95 % interval"],
        [
            [
                name,
                *(_mean_and_std(record["metrics"][arm][metric]) for arm in arms),
                f"{100 * record['difference'][metric]['mean']:+.1f}",
                _interval(record["difference"][metric]),
            ]
            for metric, name in _METRICS
        ],
    )
    changed = [row for row in _rarest_first(record) if row["verdict"] != "unchanged"]
    classes = markdown_table(
        ["Class", "verdict", "recall change", "95 % interval"],
        [
            [
                row["class"],
                row["verdict"],
                f"{100 * row['recall_change']['mean']:+.1f}",
                _interval(row["recall_change"]),
            ]
            for row in changed
        ],
    )
    tail = classes if changed else "No class changed clearly by itself.\n"
    sentence, by_class = (escape_markdown(record["verdict"][k]) for k in ("sentence", "by_class"))
    return f"## Did it help?\n\n**{sentence}**\n\n{by_class}\n\n{scores}\n{tail}"


def _label(arm: str) -> str:
    return _LABELS.get(arm, arm)


def _mean_and_std(score: Mapping[str, float]) -> str:
    return f"{100 * score['mean']:.1f} ± {100 * score['std']:.1f}"


def _interval(change: Mapping[str, float]) -> str:
    return f"{100 * change['low']:+.1f} to {100 * change['high']:+.1f}"


def _rarest_first(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    baseline = record["arms"][0]
    return sorted(record["per_class"], key=lambda row: (row["n_train"][baseline], row["class"]))


def _cells(matrix: Sequence[Sequence[int]]) -> list[list[dict[str, Any]]]:
    """Turn counts into cells of % of their row; a class without test images has an empty row."""
    return [
        [
            _cell(count, 100 * count / max(1, sum(row)), row_at == column)
            for column, count in enumerate(row)
        ]
        for row_at, row in enumerate(matrix)
    ]


def _cell(count: int, percent: float, correct: bool) -> dict[str, Any]:
    text = "" if count == 0 else f"{percent:.0f}" if percent >= 0.5 else "<1"
    # The smallest error gets some colour: it would not be told from the empty cells otherwise.
    shade = round(percent if correct else 14 + 0.86 * percent, 1)
    return {
        "count": count,
        "percent": percent,
        "text": text,
        "shade": shade,
        "kind": "hit" if correct else "miss",
    }


def _training(training: Mapping[str, Any]) -> dict[str, str]:
    """Label the plain settings; what is None, empty or nested says nothing to a reader."""
    return {
        key.replace("_", " ").capitalize(): str(value)
        for key, value in training.items()
        if isinstance(value, str | int | float) and value != "" and key != "seeds"
    }
