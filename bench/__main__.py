"""`python -m bench store retrieve … --orthanc DIR`: see README.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench import find, idle, memory, million, retrieve, store, web
from bench.peers import nodelay_library, remove_stores
from bench.setting import Setting

BENCHES = {
    "store": store.run,
    "retrieve": retrieve.run,
    "web": web.run,
    "find": find.run,
    "idle": idle.run,
    "memory": memory.run,
    "million": million.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ours beside the rivals.")
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of {', '.join(BENCHES)}; default: all")
    parser.add_argument("--orthanc", type=Path, help="an Orthanc executable, or a root folder to chroot into")
    parser.add_argument("--postgres", metavar="URL", help="measure ours there, each start in a new database")
    parser.add_argument("--room", type=Path, help="folder for stores and data; default: a temporary one")
    parser.add_argument("--runs", type=int, default=3, help="turns of each peer; the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full load, for a quick look")
    parser.add_argument("--stock", action="store_true", help="do not preload TCP_NODELAY")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="lightbox-bench-") as temporary:
        room = (options.room or Path(temporary)).resolve()
        room.mkdir(parents=True, exist_ok=True)
        setting = Setting(
            room=room,
            data=room / "data",
            orthanc=options.orthanc and options.orthanc.resolve(),
            postgres=options.postgres,
            library=None if options.stock else nodelay_library(room),
            runs=options.runs,
            scale=options.scale,
        )
        print(setting.describe(), flush=True)
        try:
            for name in options.names or BENCHES:
                print(f"\n## {name}\n", flush=True)
                BENCHES[name](setting)
        finally:
            remove_stores()


main()
