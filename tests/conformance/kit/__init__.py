"""A black-box suite for any DICOMweb server: checks by clause of PS3.18, over HTTP and nothing else.

Each module of checks has the same shape: functions that take the `Peer`, say what they saw or raise,
and a table `CHECKS` of clause, requirement and function.
"""
