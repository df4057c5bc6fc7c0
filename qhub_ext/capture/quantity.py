"""Times and sizes as people write them: `10m`, `1h30`, `1:30:00`; `2G`, `500M`."""

from __future__ import annotations

import re

from qhub_ext.errors import InvalidOptionError

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS = re.compile(
    r"(?:(?P<d>\d+(?:\.\d+)?)\s*d(?:ays?)?)?\s*(?:(?P<h>\d+(?:\.\d+)?)\s*h(?:ours?|rs?)?)?\s*"
    r"(?:(?P<m>\d+(?:\.\d+)?)\s*m(?:in(?:utes?)?)?)?\s*(?:(?P<s>\d+(?:\.\d+)?)\s*s(?:ec(?:onds?)?)?)?",
    re.IGNORECASE,
)
_TRAILING = re.compile(r"(?P<big>.*\d\s*(?P<unit>[dhm]))(?P<rest>\d{1,2})", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(?P<d>\d+)-)?(?:(?P<h>\d+):)?(?P<m>\d{1,2}):(?P<s>\d{2})")
_NEXT = {"d": "h", "h": "m", "m": "s"}
_MEBIBYTES = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)
_YEAR_S = 366 * 86400

ACCEPTED_TIMES = "10m, 1h30, 90s, 1:30:00 or 2d"
_LEAST_MEMORY = "Write at least 64M."
ACCEPTED_SIZES = "500M or 2G"


def _is_number(text: str) -> bool:
    plain = text.strip().replace(".", "", 1)
    return plain.isascii() and plain.isdigit()


def parse_time(text: str, option: str = "--time", years: int = 1) -> int:
    """Seconds, from 1 to so many years. Raises InvalidOptionError."""
    seconds = _seconds(text.strip())
    if seconds is None:
        if _is_number(text):
            if float(text) < 1:
                raise InvalidOptionError(f"{option} {text} is less than one second.", advice=f"Write {ACCEPTED_TIMES}.")
            raise InvalidOptionError(
                f"{option} {text} has no unit.", advice=f"Write {text}s, {text}m, {text}h or {text}d."
            )
        raise InvalidOptionError(f"{option} {text!r} is not a time.", advice=f"Write {ACCEPTED_TIMES}.")
    if not 1 <= seconds <= years * _YEAR_S:
        most = "a year" if years == 1 else f"{years} years"
        raise InvalidOptionError(
            f"{option} {text!r} is not between one second and {most}.", advice=f"Write {ACCEPTED_TIMES}."
        )
    return round(seconds)


def _seconds(text: str) -> float | None:
    clock = _CLOCK.fullmatch(text)
    if clock:
        parts = {unit: int(value) for unit, value in clock.groupdict(default="0").items()}
        if parts["s"] > 59 or (clock["h"] and parts["m"] > 59):
            return None
        return float(sum(_SECONDS[unit] * value for unit, value in parts.items()))
    trailing = _TRAILING.fullmatch(text)  # 1h30: the unit after hours is minutes
    if trailing:
        text = f"{trailing['big']}{trailing['rest']}{_NEXT[trailing['unit'].lower()]}"
    match = _PARTS.fullmatch(text)
    if not match or not any(match.groups()):
        return None
    return sum(_SECONDS[unit] * float(value) for unit, value in match.groupdict().items() if value)


def parse_size(text: str, option: str) -> int:
    """Bytes of a disk. Raises InvalidOptionError."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        advice = f"Write {text}G or {text}M." if _is_number(text) else "Write 500M, 20G or 1.5T."
        raise InvalidOptionError(f"{option} {text!r} is not a size on a disk.", advice=advice)
    mebibytes = float(match[1]) * _MEBIBYTES[match[2].lower()]
    if not mebibytes < 2**40:
        raise InvalidOptionError(f"{option} {text!r} is more than any disk has.", advice="Write 500M, 20G or 1.5T.")
    return round(mebibytes * 2**20)


def parse_memory(text: str, option: str = "--memory") -> int:
    """MiB, at least 64. Raises InvalidOptionError."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        if _is_number(text):
            if float(text) <= 0:
                raise InvalidOptionError(f"{option} {text} is less than a job can start with.", advice=_LEAST_MEMORY)
            forms = f"{text}M or {text}G" if float(text) >= 64 else f"{text}G"
            raise InvalidOptionError(f"{option} {text} has no unit.", advice=f"Write {forms}.")
        raise InvalidOptionError(f"{option} {text!r} is not an amount of memory.", advice=f"Write {ACCEPTED_SIZES}.")
    mebibytes = float(match[1]) * _MEBIBYTES[match[2].lower()]
    if not mebibytes < 2**40:
        raise InvalidOptionError(f"{option} {text!r} is more than any machine has.", advice=f"Write {ACCEPTED_SIZES}.")
    if mebibytes < 64:
        raise InvalidOptionError(f"{option} {text!r} is less than a job can start with.", advice=_LEAST_MEMORY)
    return round(mebibytes)
