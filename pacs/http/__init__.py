"""The HTTP shell: authentication, limits, errors and streaming, shared by every HTTP edge.

Begin at `app`, which assembles the layers, and `resource`, the only kind of route that edges make; `table`
finds the route, `lane` and `workers` take what may be slow out of the event loop.
The REST API is `pacs.http.rest`; DICOMweb and the web pages lie in packages of their own.
"""
