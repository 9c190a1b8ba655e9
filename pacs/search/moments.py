"""DA, TM and DT values as fixed-width keys that sort as text in order of time (PS3.5 §6.2).

Days are `YYYYMMDD`, times `HHMMSS.ffffff`, moments the two concatenated. A value of partial
precision is an interval: the key of a stored value is its beginning, a query matches all of it.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

FIRST_TIME = "000000.000000"
LAST_TIME = "235959.999999"

Interval = tuple[str, str]

_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)")  # the second form is ACR-NEMA's
_TIME = re.compile(r"(\d\d)(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.(\d{1,6})\d*)?)?)?")
_MOMENT = re.compile(
    r"(?P<day>\d{4}(?:\d\d(?:\d\d)?)?)(?P<time>\d{2,6}(?:\.\d+)?)?(?P<zone>[+-]\d{4})?", re.ASCII
)
_ZONE = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d")


def day(text: str) -> str | None:
    """None when the text is not a date of the calendar."""
    found = _DAY.fullmatch(text.strip())
    if not found or not text.isascii():
        return None
    year, month, number = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, number).strftime("%Y%m%d") if year > 999 else None
    except ValueError:
        return None


def time(text: str) -> Interval | None:
    """The first and last microsecond of a time of full or partial precision."""
    found = _TIME.fullmatch(text.strip())
    if not found or not text.isascii() or found[1] > "23":
        return None
    hour, minute, second, fraction = found.groups()
    if second == "60":  # a leap second, which `datetime` cannot represent
        second, fraction = "59", "999999"
    digits = fraction or ""
    first = f"{hour}{minute or '00'}{second or '00'}.{digits:0<6}"
    last = f"{hour}{minute or '59'}{second or '59'}.{digits:9<6}"
    return first, last


def offset(text: str) -> timedelta | None:
    """An offset from UTC, `+0100`."""
    if not _ZONE.fullmatch(text):
        return None
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return -distance if text[0] == "-" else distance


def moment(text: str, zone: str = "") -> Interval | None:
    """A DT in UTC; one without an offset is taken in `zone` (`+0100`), without a zone as UTC."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        return None
    if found["time"] and len(found["day"]) < 8:
        return None
    days = _days(found["day"])
    times = time(found["time"]) if found["time"] else (FIRST_TIME, LAST_TIME)
    sign = found["zone"] or zone
    shift = offset(sign) if sign else timedelta()
    if days is None or times is None or shift is None:
        return None
    return _shifted(days[0] + times[0], shift), _shifted(days[1] + times[1], shift)


def _days(text: str) -> Interval | None:
    """The first and the last day of a year, a month or a day."""
    first = day(f"{text}0101"[:8] if len(text) == 4 else f"{text}01"[:8])
    if first is None:
        return None
    if len(text) == 8:
        return first, first
    month = first[4:6] if len(text) == 6 else "12"
    last = next(filter(None, (day(f"{first[:4]}{month}{number}") for number in (31, 30, 29, 28))))
    return first, last


def _shifted(key: str, shift: timedelta) -> str:
    if not shift:
        return key
    try:
        moved = datetime.strptime(key, "%Y%m%d%H%M%S.%f") - shift
    except OverflowError:
        return key
    return moved.strftime("%Y%m%d%H%M%S.%f") if moved.year > 999 else key
