"""Ours beside the rivals, in one run, with public tools: see README.md in this folder."""
