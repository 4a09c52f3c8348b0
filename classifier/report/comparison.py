"""The comparison report: the verdict first, then the numbers behind it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from classifier.arms.arm import BASELINE
from classifier.arms.registry import arm_of
from classifier.compare.comparison import difference_of
from classifier.compare.precision import mixed_precision
from terrabalance.charts import place, symmetric_limit
from terrabalance.markdown import escape_markdown, markdown_table
from terrabalance.page import Section, render, signed

_METRICS = (
    ("balanced_accuracy", "Balanced accuracy"),
    ("macro_f1", "Macro F1"),
    ("accuracy", "Accuracy"),
    ("many", "Many"),
    ("medium", "Medium"),
    ("few", "Few"),
)
_MOST_REASONS = 10  # in the notice of images that are left out
_SETTINGS = {"image_size": "Network's input, px", "resolution": "Reduced first to, px"}
_OUTCOMES = {
    "helped": ("helped", "The synthetic images helped."),
    "hurt": ("hurt", "The synthetic images hurt."),
    "beaten": ("hurt", "Better without synthetic images."),
    "suspect": ("hurt", "Too good: this looks like a leak."),
    "none chosen": ("unchanged", "Validation chose none of the synthetic images."),
    "no clear difference": ("unchanged", "No clear difference."),
}
_WITHOUT = {
    "helped": ("helped", "Better than plain training, without synthetic images."),
    "hurt": ("hurt", "Worse than plain training."),
}


def comparison_section(record: Mapping[str, Any], highest_give_away: float) -> Section:
    """Draw the comparison record as one section.

    Args:
        record: of `classifier.compare.comparison.compare`.
        highest_give_away: area under the curve of a class's give-away; what is above is counted.
    """
    kind, headline = _outcome(record)
    changes = [row["recall_change"] for row in record["per_class"]]
    shown = _in_detail(record)
    html = render(
        "classifier.report",
        "comparison.html.j2",
        record=record,
        kind=kind,
        headline=headline,
        export=export_command(record),
        label=_label,
        metrics=_METRICS,
        shown=shown,
        arm=record["headline"]["arm"],
        rival=record["headline"]["rival"],
        difference=lambda arm, baseline: difference_of(record, arm, baseline),
        rarest_first=_rarest_first(record),
        limit=symmetric_limit([(each["low"], each["high"]) for each in changes]),
        place=place,
        matrices={
            arm: list(zip(record["classes"], _cells(record["confusion"][arm]), strict=True))
            for arm in dict.fromkeys((BASELINE, record["headline"]["arm"]))
        },
        mcnemar=_mcnemar(record),
        give_away=_give_away(record, highest_give_away),
        highest_give_away=highest_give_away,
        training=_training(record["training"]),
        mixed=_mixed(record),
        left_out=record.get("left_out"),
        n_reasons=_MOST_REASONS,
    )
    return Section("Did it help?", html, "comparison")


def export_command(record: Mapping[str, Any]) -> str | None:
    """Return the command that exports the recommended classifier; None where there is none.

    Records of older versions recommend nothing.
    """
    if not record.get("recommended", {}).get("arm"):
        return None
    return f"terrabalance export {shlex.quote(record.get('report', 'REPORT'))}"


def comparison_markdown(record: Mapping[str, Any]) -> str:
    """Return the short version in Markdown: the sentence, the arms, the classes that changed."""
    rival = record["headline"]["rival"]
    against = dict.fromkeys((BASELINE, rival))
    titles = [title for arm in against for title in (f"To {_label(arm).lower()}", "95 % interval")]
    scores = markdown_table(
        ["Arm", "Balanced accuracy", "Macro F1", "Few", *titles],
        [_arm_row(record, arm, list(against)) for arm in record["arms"]],
    )
    changed = [row for row in _rarest_first(record) if row["verdict"] != "unchanged"]
    classes = markdown_table(
        ["Class", "verdict", "recall change", "95 % interval"],
        [
            [
                row["class"],
                row["verdict"],
                signed(100 * row["recall_change"]["mean"]),
                _interval(row["recall_change"]),
            ]
            for row in changed
        ],
    )
    tail = classes if changed else "No class changed clearly by itself.\n"
    sentence, by_class = (escape_markdown(record["verdict"][k]) for k in ("sentence", "by_class"))
    use = _use_markdown(record)
    mixed = f"{escape_markdown(said)}\n\n" if (said := _mixed(record)) else ""
    return f"## Did it help?\n\n**{sentence}**\n\n{by_class}\n\n{use}{mixed}{scores}\n{tail}"


def _mixed(record: Mapping[str, Any]) -> str:
    """Say that trainings differ in precision; records of older versions do not tell."""
    return mixed_precision(record.get("precisions", {}))


def _use_markdown(record: Mapping[str, Any]) -> str:
    if "recommended" not in record:
        return ""
    said = f"### What to use\n\n{escape_markdown(record['recommended']['sentence'])}\n\n"
    command = export_command(record)
    worth = record.get("exchange")  # of older versions there is none
    more = f"{escape_markdown(worth['sentence'])}\n\n" if worth else ""
    return said + (f"```\n{command}\n```\n\n" if command else "") + more


def _arm_row(record: Mapping[str, Any], arm: str, against: Sequence[str]) -> list[str]:
    metrics = record["metrics"][arm]
    shown = (_mean_and_std(metrics[name]) for name in ("balanced_accuracy", "macro_f1", "few"))
    return [_label(arm), *shown, *(cell for each in against for cell in _gap(record, arm, each))]


def _gap(record: Mapping[str, Any], arm: str, baseline: str) -> tuple[str, str]:
    found = difference_of(record, arm, baseline)
    if found is None:
        return "", ""
    change = found["balanced_accuracy"]
    return signed(100 * change["mean"]), _interval(change)


def _outcome(record: Mapping[str, Any]) -> tuple[str, str]:
    outcome = record["verdict"]["outcome"]
    plain = not arm_of(record["headline"]["arm"]).generative
    return _WITHOUT.get(outcome, _OUTCOMES[outcome]) if plain else _OUTCOMES[outcome]


def _in_detail(record: Mapping[str, Any]) -> list[str]:
    """Return the arms whose scores by class are shown; those of all are in the JSON."""
    headline = record["headline"]
    return list(dict.fromkeys((BASELINE, headline["rival"], headline["arm"])))


def _mcnemar(record: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the tests of the headline's arm against plain training and against its rival."""
    headline = record["headline"]
    found = {
        against: difference_of(record, headline["arm"], against)
        for against in (BASELINE, headline["rival"])
    }
    return {against: each["mcnemar"] for against, each in found.items() if each}


def _give_away(record: Mapping[str, Any], highest: float) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = record.get("give_away") or []
    if not found:
        return None
    values = [each["value"] for each in found]
    return {
        "mean": sum(values) / len(values),
        "n": len(values),
        "n_above": sum(value > highest for value in values),
        "worst": max(found, key=lambda each: float(each["value"])),
    }


def _label(arm: str) -> str:
    return arm_of(arm).label


def _mean_and_std(score: Mapping[str, float]) -> str:
    return f"{100 * score['mean']:.1f} ± {100 * score['std']:.1f}"


def _interval(change: Mapping[str, float]) -> str:
    return f"{signed(100 * change['low'])} to {signed(100 * change['high'])}"


def _rarest_first(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(record["per_class"], key=lambda row: (row["n_train"][BASELINE], row["class"]))


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
    # The smallest error gets some colour, to differ from an empty cell.
    shade = round(percent if correct else 14 + 0.86 * percent, 1)
    return {
        "count": count,
        "percent": percent,
        "text": text,
        "shade": shade,
        "kind": "hit" if correct else "miss",
    }


def _training(training: Mapping[str, Any]) -> dict[str, str]:
    """Label the plain settings; those that are None, empty or nested are left out."""
    shown = {**training, "pretrained": True} if training.get("weights") else training
    return {
        _SETTINGS.get(key, key.replace("_", " ").capitalize()): str(value)
        for key, value in shown.items()
        if isinstance(value, str | int | float) and value != "" and key != "seeds"
    }
