"""The figures of a model card, written by the evaluation that measured them."""

from pathlib import Path

from engines.families import LABELS
from engines.training.evaluation import Evaluation, TrialResult
from engines.training.text_report import FamilyReading, TextReport

BEGIN, END = "<!-- measured by afterimage evaluate --card -->", "<!-- end of measured figures -->"
TEXT_BEGIN = "<!-- measured by afterimage evaluate --text --card -->"


def figures(evaluation: Evaluation) -> str:
    """What was measured in Markdown: on what, the means, and a row for each edit."""
    compiled = ", ".join(str(evaluation.model[key]) for key in ("compiler", "precision", "device"))
    lines = [
        f"Measured by exact codes on {evaluation.scenes} scenes it never saw, {evaluation.frames} frames of each"
        f" at {evaluation.size} px, through the same editor as the live path ({compiled}):",
        "",
        f"- mean PSNR over families **{evaluation.mean_psnr_db:.1f} dB**, worst family"
        f" **{evaluation.worst_psnr_db:.1f} dB** ({_worst(evaluation)})",
        f"- drift, frame 1 less the last: **{evaluation.drift_db:+.2f} dB**",
    ]
    if evaluation.people_iou is not None:
        lines.append(
            "- people: the mask that an edit of the background implies overlaps the true one by"
            f" **{evaluation.people_iou:.3f}** (intersection over union)"
        )
    if evaluation.joined:
        mean = sum(result.psnr_db for result in evaluation.joined.values()) / len(evaluation.joined)
        lines.append(f"- joined edits: mean **{mean:.1f} dB**")
    for title, results in (("family", evaluation.families), ("joined", evaluation.joined)):
        head = f"| {title} | PSNR dB | worst scene | frame 1 | last frame | drift dB | person IoU |"
        lines += ["", head, "|---|---|---|---|---|---|---|"]
        lines += [_row(name, result) for name, result in results.items()]
    return "\n".join(lines)


def text_figures(report: TextReport) -> str:
    """How instructions are read, in Markdown: shares, and what each family that is misread is taken for."""
    lines = [
        f"Measured on {report.instructions} phrasings and {report.strangers} texts that ask for nothing it knows,"
        f" none of which training draws, through the same call as the live path; {report.named} of the phrasings are"
        " made of the catalogue's own names, which are looked up:",
        "",
        f"- the edits asked for: **{report.top1:.1%}**, of {report.joined} joined ones both"
        f" **{report.joined_top1:.1%}**",
        f"- with amounts and colours: **{report.parameters:.1%}**",
        f"- strangers recognised: **{report.unknown_detected:.1%}**, false alarms **{report.false_alarms:.1%}**",
    ]
    misread = {family: reading for family, reading in report.families.items() if reading.read < 1}
    if misread:
        lines += ["", "| family | phrasings | read | taken for |", "|---|---|---|---|"]
        lines += [
            f"| {_label(family)} | {reading.asked} | {reading.read:.0%} | {confused(reading)} |"
            for family, reading in misread.items()
        ]
        lines += ["", "All phrasings of the other families are read as such."]
    return "\n".join(lines)


def confused(reading: FamilyReading) -> str:
    """What a family is taken for, the commonest first."""
    return ", ".join(
        f"{LABELS[name].lower() if name in LABELS else name} {count}"
        for name, count in reading.taken_for.items()
    )


def check_card(card: Path) -> None:
    """See that a card has a place for figures, before an hour is spent on them.

    Raises:
        ValueError: It has none, or cannot be read.
    """
    _place(card, BEGIN)


def write_card(evaluation: Evaluation, card: Path) -> None:
    """Put the figures between the two marks of a model card.

    Raises:
        OSError: The card cannot be written.
        ValueError: It cannot be read, or lacks a mark.
    """
    _write(figures(evaluation), card, BEGIN)


def write_text_card(report: TextReport, card: Path) -> None:
    """Put the figures of how instructions are read between theirs.

    Raises:
        OSError: The card cannot be written.
        ValueError: It cannot be read, or lacks a mark.
    """
    _write(text_figures(report), card, TEXT_BEGIN)


def _write(figures: str, card: Path, mark: str) -> None:
    before, after = _place(card, mark)
    card.write_text(f"{before}{mark}\n\n{figures}\n\n{END}{after}")


def _place(card: Path, mark: str) -> tuple[str, str]:
    """What stands before and after the figures."""
    try:
        text = card.read_text()
    except OSError as error:
        raise ValueError(f"{card} cannot be read: {error.strerror}") from error
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{card} has no place for figures, between {mark!r} and {END!r}")
    return before, after


def _worst(evaluation: Evaluation) -> str:
    return _label(min(evaluation.families, key=lambda name: evaluation.families[name].psnr_db))


def _row(name: str, result: TrialResult) -> str:
    numbers = (
        result.psnr_db,
        result.worst_scene_psnr_db,
        result.first_frame_psnr_db,
        result.last_frame_psnr_db,
    )
    iou = "" if result.iou is None else f"{result.iou:.3f}"
    return f"| {_label(name)} | {' | '.join(f'{n:.1f}' for n in numbers)} | {result.drift_db:+.2f} | {iou} |"


def _label(name: str) -> str:
    return " + ".join(LABELS[family].lower() for family in name.split(" + "))
