"""Orders, reading list and reports."""
