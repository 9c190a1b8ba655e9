"""The DICOM network edge: upper layer, associations, service classes (PS3.7, PS3.8)."""
