"""Disk and database: blobs, tables, search, jobs."""
