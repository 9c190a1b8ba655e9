"""The DICOMweb edge (PS3.18).

`app` mounts all resources. `search` is QIDO-RS, `store` STOW-RS; the modules here are WADO: `retrieve` sends
whole instances, `frames`, `metadata`, `bulkdata` and `rendered` parts and renditions of them.
"""
