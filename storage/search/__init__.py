"""Answering a `Query` from the index.

`pages` yields the answers, a page at a time. `plan` decides how their rows are found: looked up (`lookups`,
with `trigrams` for substrings) or met along the order; `tuning` has the numbers that it decides by, and how
they were measured. `statement` is the SQL: of `selection` (FROM and WHERE, with `conditions`) and `order`.
`time_limit` ends a search that takes too long.
"""
