"""The HTTP shell: authentication, limits, errors and streaming, shared by every HTTP edge.

Begin at `app`, which assembles the middleware, and `resource`, the only kind of route that edges make.
The REST API is `pacs.http.rest`; DICOMweb and the web pages lie in packages of their own.
"""
