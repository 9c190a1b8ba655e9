"""The numbers that searches are planned by, and the measurements behind them.

Measured on both databases with a million studies (`python -m bench million`). The cost of collecting and
sorting keys grows with their number, that of walking along the order with the number of rows up to the page.
"""

FEW, FEWEST = 5_000, 2_000
ROOTS = 5
"""Keys worth collecting and sorting: of n rows, `ROOTS` times the square root of n, within these bounds.

If k of n rows match, collecting takes k steps, and the walk to the next match n / k; both are the same at the
root of n. At a million studies either way takes some 20 ms.
"""

REACH = 5_000
"""Rows along the order that may be walked before it is known whether enough of them match: some 20 ms."""
SAMPLE = 300
"""Rows among the newest `REACH` that are tested first, to estimate how many match."""
STRIDE = 11
"""One row in so many is tested, because rows that arrived together are alike."""
MARGIN = 1.25
"""How many times the page should lie within `REACH`, by that estimate, for the walk to be tried."""

FIRST_PAGE = 101
"""The first page of a viewer and one answer more, which shows whether there are more."""
NEXT_PAGES = 500
LOCATED = 10_000
"""Instances of one page when all are needed before the first is used, as each page sorts the whole study."""

COUNTED_AMONG = 50_000
"""Rows among which a page's matches are counted if each row must be tested: 0.1 s."""
COUNTED_LATER = 10_000
"""How many rows stored since the first page are counted, to subtract them from the organisation's tally."""
COUNTED_KEYS = 10_000
"""How many matches are counted, at the most."""

MOST_KEYS = (1 << 31) - 1
"""The largest LIMIT that is sent: PostgreSQL's integer."""
