"""Serving the web pages and their assets; the application itself is `worklist/ui`."""
