"""Background work: what a job and a task are, the worker that runs them, and the handlers of the larger ones.

`uploading` takes files in, `restoring` brings deleted objects back, `processing` renews what is derived from
them; all three tell by `progress` how far they are. `storage.jobs` keeps the queue.
"""
