"""Pixel data: the only package that interprets it, mostly in worker processes.

`tasks` are what workers do, `pool` hands them out to processes that `fork_server` forks. A frame is read by
`frame`, decoded by `decode`, rendered by `render` as `parameters` ask (`grayscale`, `colour`, `palette`,
`overlay`, `geometry`, `annotate`; `softcopy` by a presentation state) and written by `encode`; `transcode`
compresses it for a peer. `photo`, `png`, `mp4` and `codestream` read files that become DICOM objects,
`phantom` draws for demonstrations.
"""
