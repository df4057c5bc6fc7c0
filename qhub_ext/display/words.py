"""Facts in words: the same moments, sizes and states everywhere, in the notebook, the terminal and the sidebar."""

from __future__ import annotations

import math
import time
from datetime import datetime

from qhub_ext.job.state import State

STATE_WORDS = {
    State.CREATED: "created",
    State.SUBMITTED: "submitted",
    State.QUEUED: "queued",
    State.HELD: "held",
    State.STARTING: "starting",
    State.RUNNING: "running",
    State.FINISHING: "finishing",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.TIMED_OUT: "timed out",
    State.CANCELLED: "cancelled",
    State.LOST: "lost",
}

# an icon beside the word, so that a state is not told by colour alone
STATE_SIGNS = {
    State.CREATED: "·",
    State.SUBMITTED: "·",
    State.QUEUED: "◷",
    State.HELD: "‖",
    State.STARTING: "▹",
    State.RUNNING: "▶",
    State.FINISHING: "▶",
    State.COMPLETED: "✓",
    State.FAILED: "✗",
    State.TIMED_OUT: "✗",
    State.CANCELLED: "⊘",
    State.LOST: "?",
}


def state_words(state: State | str) -> str:
    state = State(state)
    return f"{STATE_SIGNS[state]} {STATE_WORDS[state]}"


def duration(seconds: float | None) -> str:
    """`7.2 µs`, `5.5 ms`, `0.42 s`, `4.3 s`, `38 s`, `4 min 10 s`, `2 h 05 min`; an en dash where there is none.

    The front end says the same: labextension/src/__tests__/durations.json holds both to it.
    """
    if seconds is None or not math.isfinite(seconds):
        return "–"
    for below, factor, unit in ((1e-4, 1e6, "µs"), (0.1, 1e3, "ms"), (1, 1, "s")):
        if 0 < seconds < below:
            return f"{float(f'{seconds * factor:.2g}'):g} {unit}"
    if 0 < seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole_s = max(0, int(seconds + 0.5))
    if seconds < 90:
        return f"{whole_s} s"
    minutes, rest = divmod(whole_s, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def limit(seconds: float | None) -> str:
    """A round number stays one: `10 min`, where an age says `10 min 00 s`."""
    told = duration(seconds)
    for nothing in (" 00 s", " 00 min", " 0 h"):
        told = told.removesuffix(nothing)
    return told


def age(seconds: float) -> str:
    """Of something that goes on: whole seconds, never below none."""
    return duration(max(0, int(seconds)))


def whole(count: int) -> str:
    """`4000`, `100,000`."""
    return str(count) if count < 10_000 else f"{count:,}"


def size(count: float) -> str:
    """Bytes in words: `512 B`, `43.7 kB`, `1.2 MB` (powers of ten)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def moment(at: float | None, now: float | None = None) -> str:
    """Local wall-clock time, with the date when it is not today's; an en dash where there is none."""
    then = _local(at)
    if then is None:
        return "–"
    today = datetime.fromtimestamp(time.time() if now is None else now)
    return then.strftime("%H:%M:%S" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def minute(at: float, now: float) -> str:
    """A moment that is only a guess: `now` when it is less than half a minute away, else to the minute."""
    if abs(at - now) < 30:
        return "now"
    then = datetime.fromtimestamp(at + 30)
    return then.strftime("%H:%M" if then.date() == datetime.fromtimestamp(now).date() else "%Y-%m-%d %H:%M")


def span(earliest: float, latest: float | None, now: float) -> str:
    """When something may begin: `between 12:31 and 12:38`, `from 12:31 on`, `now`."""
    first = minute(earliest, now)
    if latest is None:
        return f"from {first} on"
    last = minute(latest, now)
    return f"between {first} and {last}" if last != first else first if first == "now" else f"at {first}"


def dated(at: float) -> str:
    """Local wall-clock time with its date, for what is read on another day."""
    then = _local(at)
    return "–" if then is None else then.strftime("%Y-%m-%d %H:%M:%S")


def _local(at: float | None) -> datetime | None:
    """None also for what is no moment of any calendar, as a damaged file may tell."""
    try:
        return None if at is None else datetime.fromtimestamp(at)
    except (ValueError, OverflowError, OSError, TypeError):
        return None


# what only joins or separates letters and emoji: 👩‍🔬 is two of them and a joiner
_JOINERS = "\u200c\u200d"


def plain(text: str, width: int | None = None) -> str:
    """One line that is harmless in a terminal: control characters shown, never obeyed; cut with an ellipsis at `width`."""
    line = "".join(c if c.isprintable() or c in _JOINERS else {"\n": "⏎", "\t": " "}.get(c, "�") for c in text)
    return line if width is None or len(line) <= width else line[: width - 1] + "…"
