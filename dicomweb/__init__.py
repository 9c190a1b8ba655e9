"""The DICOMweb edge (PS3.18)."""
