"""Answering a `Query` from the index.

`pages` yields the answers, a page at a time; `plan` chooses between looking a rare key up and walking along
the order; `statement` is one page as one SELECT, and `conditions` its WHERE clause; `trigrams` are the
indexes for substrings; `cost` ends a search that takes too long.
"""
