"""One installation: settings, composition root, processes, command line.

`settings` lists every setting, `setting_types` checks their values, `sources` reads them. `node` starts the
processes: `supervisor` keeps the `children` running, and `compose` (with `compose_http`) builds what each of
them works with. `cli` is the command `pacs`.
"""
