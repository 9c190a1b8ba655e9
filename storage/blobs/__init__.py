"""Blobs: immutable, content-addressed bytes."""
