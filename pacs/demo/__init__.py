"""Synthetic studies of patients that do not exist, for `pacs demo`; `pacs.pixels.phantom` draws them."""
