"""Our archive beside its rivals, in one run, with public tools: see README.md in this folder."""
