"""``afterimage evaluate --text``: how typed instructions are read, measured on phrasings kept for the test."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engines.families import LABELS
from engines.instructions import load_instruction_encoder
from engines.model import ModelError, find_model
from engines.training.card import confused, write_text_card
from engines.training.text_report import TextReport, evaluate_text

WORST = 20
"""Misread phrasings that are shown; JSON has all."""


def run(model: str, card: Path | None, *, as_json: bool) -> None:
    """Measure a model's instruction encoder, print what was found, and write it to a card where one is given.

    Raises:
        ModelError: There is no such model, or it takes free text.
        OSError: The card cannot be written.
        ValueError: It cannot be read, or lacks a mark.
    """
    folder = find_model(model) / "instruction_encoder"
    if not folder.is_dir():
        raise ModelError(f"{model} takes free text: it has no instruction encoder to measure")
    report = evaluate_text(load_instruction_encoder(folder))
    if card is not None:
        write_text_card(report, card)
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print_report(report, Console())


def print_report(report: TextReport, console: Console) -> None:
    """Show a report to a person."""
    table = Table(title=f"{report.instructions} phrasings kept for the test, {report.strangers} strangers")
    table.add_column("edit")
    table.add_column("phrasings", justify="right")
    table.add_column("read", justify="right")
    table.add_column("taken for")
    for family, reading in report.families.items():
        table.add_row(LABELS[family], str(reading.asked), f"{reading.read:.1%}", confused(reading))
    console.print(table)
    shown = report.misread[:WORST]
    if shown:
        console.print(f"{len(shown)} of {len(report.misread)} misread, the surest first:")
    for misread in shown:
        line = f"  {misread.confidence:.2f} {misread.text!r}: {misread.wanted}, read as {misread.read}"
        console.print(escape(line), soft_wrap=True, highlight=False)
    console.print(
        f"edits right {report.top1:.1%} (joined {report.joined_top1:.1%} of {report.joined}),"
        f" with amounts and colours {report.parameters:.1%},"
        f" strangers recognised {report.unknown_detected:.1%}, false alarms {report.false_alarms:.1%};"
        f" {report.named} phrasings are the catalogue's names",
        soft_wrap=True,
    )
