"""The HTTP shell: authentication, limits, errors and streaming, shared by every HTTP edge.

Begin at `app`, which assembles the layers, and `resource`, the only kind of route that edges make;
`route_table` finds the route. `threads` is the way out of the event loop, and tells who can make whom wait.

The REST API is `pacs.http.rest`; DICOMweb and the web pages lie in packages of their own.
"""
