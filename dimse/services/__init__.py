"""The DIMSE services of this archive (PS3.7 §9.1), one module each; all of them see an `Operation` only."""
