"""One installation: settings, composition root, processes, command line."""
