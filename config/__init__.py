"""One installation: settings, composition root, processes, command line.

`settings` lists every setting, `setting_types` checks their values, `sources` reads them. `node` starts the
processes: `startup` prepares the data, then `supervisor` keeps the `children` running. `compose` (with
`compose_http`) builds what each of them works with; `http_server` serves HTTP. `cli` is the command `pacs`.
"""
