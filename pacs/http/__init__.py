"""The HTTP shell that all HTTP edges share."""
