"""The table and the chart."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.engine.rows import DIFFUSERS, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAPER = {"rfdm1.5": "8 s and 2 GB", "rfdm3.5": "13 s and 6 GB"}
_PAPER_FRAMES = 16


def print_table(figures: dict[str, Any], rows: Sequence[Row], console: Console) -> None:
    """What was measured, its conditions first."""
    console.print("  ".join(f"{name} {value}" for name, value in figures["conditions"].items()))
    peaks = figures["matrix_peak_flops"]
    console.print(
        "matrix peak " + ", ".join(f"{name} {peak / 1e12:.2f} TFLOP/s" for name, peak in peaks.items())
    )
    table = Table("model", "side", "batch", "evals", "codec", "compiler", "precision", "fps", "p50/p95 ms")
    for column in (
        "encode",
        "denoise",
        "decode",
        "memory",
        "build s",
        "floor ms",
        "CPU ms",
        "x diffusers",
        "x CPU",
    ):
        table.add_column(column)
    for row in rows:
        cells = (
            row.model,
            row.resolution,
            row.batch,
            row.evaluations,
            row.codec,
            row.compiler,
            row.precision,
        )
        if row.failure is not None:
            table.add_row(*(str(cell) for cell in cells), "", row.failure)
            continue
        table.add_row(
            *(str(cell) for cell in cells),
            _number(row.fps),
            _pair((row.p50_ms or 0.0, row.p95_ms or 0.0)),
            _pair(row.encode_ms),
            _pair(row.denoise_ms),
            _pair(row.decode_ms),
            "" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:.0f} MiB",
            _number(row.build_s),
            _number(row.floor_ms),
            _number(row.cpu_ms),
            _number(row.ratio_to_diffusers, 2),
            _number(row.cpu_ratio_to_diffusers, 2),
        )
    console.print(table)
    for line in paper_lines(rows):
        console.print(line)
    if figures["ratio_to_diffusers"] is not None:
        console.print(
            f"ratio to diffusers, worst setting, best compiler: {figures['ratio_to_diffusers']:.2f}"
        )


def ratio_to_diffusers(rows: Sequence[Row]) -> float | None:
    """The best compiler's ratio at the setting where it is least; None where no setting has a baseline."""
    best: dict[tuple[object, ...], float] = {}
    for row in rows:
        if row.compiler == DIFFUSERS or row.ratio_to_diffusers is None:
            continue
        setting = (row.model, row.resolution, row.batch, row.evaluations, row.codec)
        best[setting] = max(best.get(setting, 0.0), row.ratio_to_diffusers)
    return min(best.values(), default=None)


def paper_lines(rows: Sequence[Row]) -> list[str]:
    """The paper's own setting, 16 frames of 24 evaluations at 512, beside its figures on an A100."""
    return [
        f"{row.model}, {row.compiler}: {_PAPER_FRAMES} frames in"
        f" {_PAPER_FRAMES * row.p50_ms / 1e3:.1f} s, {(row.memory_bytes or 0) / 1e9:.1f} GB"
        f" (paper, A100: {_PAPER[row.model]})"
        for row in rows
        if (row.evaluations, row.batch, row.resolution) == (24, 1, 512)
        and row.model in _PAPER
        and row.p50_ms is not None
    ]


def draw_chart(rows: Sequence[Row], title: str, path: Path) -> None:
    """Frames a second by batch and setting, one line a compiler, or one bar where there is one batch, as PNG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [row for row in rows if row.fps is not None]
    panels = sorted({(row.model, row.evaluations, row.codec) for row in shown})
    figure, axes = plt.subplots(1, max(1, len(panels)), figsize=(4.5 * max(1, len(panels)), 4), squeeze=False)
    for axis, (model, evaluations, codec) in zip(axes[0], panels, strict=False):
        of_panel = [
            row for row in shown if (row.model, row.evaluations, row.codec) == (model, evaluations, codec)
        ]
        batches = sorted({row.batch for row in of_panel})
        heading = f"{model}, {evaluations} evaluation{'s' if evaluations > 1 else ''}, {codec}"
        if len(batches) == 1:
            _draw_bars(axis, of_panel)
            heading = f"{heading}, batch {batches[0]}"
        else:
            _draw_lines(axis, of_panel)
            axis.set_xlabel("batch")
            axis.set_xticks(batches)
            axis.legend(fontsize=7)
        axis.set_title(heading, fontsize=9)
        axis.set_ylabel("frames a second")
        axis.set_ylim(bottom=0)
    figure.suptitle(title, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_bars(axis: "Axes", rows: Sequence[Row]) -> None:
    ordered = sorted(rows, key=lambda row: (row.resolution, row.fps or 0.0))
    names = [f"{row.compiler}\n{row.resolution}" for row in ordered]
    colours = ["tab:gray" if row.compiler == DIFFUSERS else "tab:blue" for row in ordered]
    bars = axis.bar(names, [row.fps or 0.0 for row in ordered], color=colours, width=0.6)
    axis.bar_label(bars, fmt="%.1f", fontsize=8)


def _draw_lines(axis: "Axes", rows: Sequence[Row]) -> None:
    for compiler, resolution in sorted({(row.compiler, row.resolution) for row in rows}):
        line = sorted(
            (row.batch, row.fps or 0.0)
            for row in rows
            if (row.compiler, row.resolution) == (compiler, resolution)
        )
        style = "--" if compiler == DIFFUSERS else "-"
        axis.plot(*zip(*line, strict=True), style, marker="o", label=f"{compiler} {resolution}")


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _pair(values: tuple[float, float] | None) -> str:
    return "" if values is None else f"{values[0]:.1f} / {values[1]:.1f}"
