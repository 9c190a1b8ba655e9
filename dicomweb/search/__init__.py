"""The Search transaction, QIDO-RS (PS3.18 §10.6).

`url` reads a query string, `qido` answers it, `answers` writes the matches, and `snapshots` keeps pages
consistent.
"""
