"""A trace in letters: a row per span, a bar on one axis for all, and where the time went in parts."""

from __future__ import annotations

import html
from collections.abc import Sequence

from qhub_ext.diagnosis.breakdown import Breakdown
from qhub_ext.diagnosis.rows import Row
from qhub_ext.diagnosis.side_by_side import Part, parts_beside, spans_beside
from qhub_ext.display.tables import Table
from qhub_ext.display.trace_colours import PART_COLOURS, colour_of
from qhub_ext.display.words import duration, plain

NAME, TOOK, KIND = 34, 11, 12
NARROWEST, WIDEST = 24, 72
_FULL, _HALF, _LITTLE, _BLANK = "█", "▌", "▏", " "


def waterfall_text(rows: Sequence[Row], whole: float, width: int | None = None) -> str:
    """`whole` is the length of the trace in s."""
    if not rows:
        return "Nothing is recorded yet."
    columns = max(NARROWEST, min(WIDEST, (width or 120) - NAME - TOOK - KIND - 14))
    several = any(row.attempt > 1 for row in rows)
    lines = [f"{'span':<{NAME}}  {'kind':<{KIND}}  {_axis(whole, columns)}  {'took':>{TOOK}}  from"]
    for row in rows:
        label = plain(_label(row, several=several), NAME - 2 * min(row.depth, 6))
        name = f"{'  ' * min(row.depth, 6)}{label}"
        end = " …" if row.end is None else ""
        took = duration(row.busy) + end
        at = f"+{duration(row.begin)}" if row.begin > 0 else "0"
        lines.append(
            f"{name:<{NAME}}  {row.kind.replace('_', ' '):<{KIND}}  {bar(row, whole, columns)}  {took:>{TOOK}}  {at}"
            + (f"  {plain(row.detail, 60)}" if row.detail else "")
        )
    return "\n".join(line.rstrip() for line in lines)


def _label(row: Row, *, several: bool) -> str:
    count = f" × {row.count}" if row.count > 1 else ""
    attempt = f" (attempt {row.attempt})" if several and row.depth == 0 and row.attempt else ""
    return f"{row.name}{count}{attempt}"


def bar(row: Row, whole: float, columns: int) -> str:
    covered = [0.0] * columns
    each = max(whole, 1e-9) / columns
    for begin, until in row.segments:
        end = min(until, whole)
        first = min(columns - 1, max(0, int(begin / each)))
        last = min(columns - 1, max(first, int(end / each)))
        for column in range(first, last + 1):
            covered[column] += max(0.0, min(end, (column + 1) * each) - max(begin, column * each)) / each
    touched = {min(columns - 1, max(0, int(begin / each))) for begin, _ in row.segments}
    return "".join(
        _FULL if share > 0.75 else _HALF if share > 0.3 else _LITTLE if share > 0 or n in touched else _BLANK
        for n, share in enumerate(covered)
    )


def _axis(whole: float, columns: int) -> str:
    left, right = "0", duration(whole)
    return left + "·" * max(1, columns - len(left) - len(right)) + right


def breakdown_text(breakdown: Breakdown, columns: int = 30) -> str:
    lines = []
    for part, nanoseconds in breakdown.parts_ns.items():
        if nanoseconds:
            share = breakdown.share(part)
            strip = _FULL * round(share * columns) or _LITTLE
            lines.append(f"  {part:<13} {duration(nanoseconds / 1e9):>11}  {share:>5.1%}  {strip}")
    return "\n".join([*lines, f"  {'in all':<13} {duration(breakdown.wall_s):>11}"])


def percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def waterfall_html(
    rows: Sequence[Row], breakdown: Breakdown, whole: float, caption: str, sentences: Sequence[str]
) -> str:
    """Without scripts, for files on GitHub and nbconvert; colours of letters are the page's own."""
    whole = max(whole, 1e-9)
    strip = "".join(
        f'<span title="{html.escape(part)}: {duration(ns / 1e9)}" style="display:inline-block;height:12px;'
        f'width:{100 * breakdown.share(part):.3f}%;background:{PART_COLOURS[part]}"></span>'
        for part, ns in breakdown.parts_ns.items()
        if ns
    )
    legend = " ".join(
        f'<span style="white-space:nowrap;margin-right:10px"><span style="display:inline-block;width:9px;height:9px;'
        f'background:{PART_COLOURS[part]}"></span> {html.escape(part)} {duration(ns / 1e9)} ({html.escape(percent(breakdown.share(part)))})</span>'
        for part, ns in breakdown.parts_ns.items()
        if ns
    )
    several = any(row.attempt > 1 for row in rows)
    body = "".join(_html_row(row, whole, several=several) for row in rows)
    told = "".join(f"<div>{html.escape(sentence)}</div>" for sentence in sentences)
    return (
        f'<div style="font-size:90%;max-width:960px"><div style="font-weight:600;padding:4px 0">{html.escape(caption)}</div>'
        f'<div style="line-height:0;font-size:0">{strip}</div><div style="padding:4px 0">{legend}</div>{told}'
        f'<table style="border-collapse:collapse;width:100%;table-layout:fixed;color:inherit;font-size:inherit"><tbody>{body}</tbody></table></div>'
    )


def _html_row(row: Row, whole: float, *, several: bool) -> str:
    bars = "".join(
        f'<span style="position:absolute;top:3px;height:10px;left:{100 * begin / whole:.3f}%;'
        f'width:max(1px,{100 * (end - begin) / whole:.3f}%);background:{colour_of(row.kind)}"></span>'
        for begin, end in row.segments
    )
    name = html.escape(plain(_label(row, several=several), 80))
    style = "text-align:left;padding:1px 8px 1px 0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis"
    return (
        f'<tr title="{html.escape(plain(row.detail, 200))}"><td style="{style};width:30%;padding-left:{12 * row.depth}px">{name}</td>'
        f'<td style="position:relative;height:16px" aria-label="{row.kind.replace("_", " ")}">{bars}</td>'
        f'<td style="width:80px;text-align:right;white-space:nowrap">{duration(row.busy)}</td></tr>'
    )


def comparison_table(labels: Sequence[str], breakdowns: Sequence[Breakdown]) -> Table:
    """Parts of two or more jobs, and what changed from the first."""
    parts = parts_beside(breakdowns)
    whole = Part("in all", tuple(b.wall_s for b in breakdowns))
    rows = [[part.name, *_beside(part.seconds)] for part in (*parts, whole)]
    columns = ["part", labels[0], *(c for label in labels[1:] for c in (label, "change"))]
    facts = [{"part": part.name, **dict(zip(labels, part.seconds, strict=True))} for part in parts]
    return Table(columns, rows, facts=facts, title="Where the time went")


def _beside(seconds: Sequence[float]) -> list[str]:
    first, *others = seconds
    return [duration(first), *(cell for s in others for cell in (duration(s), _change_words(s - first)))]


def spans_table(labels: Sequence[str], rows: Sequence[Sequence[Row]], most: int = 15) -> Table:
    """Spans by name, those first whose time changed most."""
    found = spans_beside(rows)
    cells = [
        [one.name, one.kind.replace("_", " "), *(f"{duration(s)}{f' in {c}' if c > 1 else ''}" if c else "–" for c, s in zip(one.counts, one.seconds, strict=True)), _change_words(one.change)]
        for one in found[:most]
    ]  # fmt: skip
    facts = [
        {"name": one.name, "kind": one.kind, **{label: {"count": c, "seconds": s} for label, c, s in zip(labels, one.counts, one.seconds, strict=True)}}
        for one in found
    ]  # fmt: skip
    return Table(
        ["span", "kind", *labels, "change"],
        cells,
        facts=facts,
        title="Spans whose time changed most",
        widths={"span": 40},
    )


def profile_table(functions: Sequence[dict[str, object]], note: str, most: int = 12) -> Table:
    rows = [
        [str(f.get("function")), f"{f.get('file')}:{f.get('line')}" if f.get("file") else "built in", "" if f.get("calls") is None else str(f["calls"]), duration(_number(f.get("own_s"))), duration(_number(f.get("all_s")))]
        for f in functions[:most]
    ]  # fmt: skip
    return Table(["function", "where", "calls", "itself", "with what it calls"], rows, facts=list(functions), title="Functions that took most", footer=note, widths={"where": 60, "function": 40})  # fmt: skip


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _change_words(seconds: float) -> str:
    return "–" if abs(seconds) < 0.0005 else f"{'+' if seconds > 0 else '−'}{duration(abs(seconds))}"
