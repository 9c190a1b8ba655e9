"""DICOM bytes: header reader, values, character sets, frames, JSON (PS3.5, PS3.10, PS3.18 Annex F)."""
