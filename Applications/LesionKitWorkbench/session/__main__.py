"""``python -m LesionKitWorkbench.session --folder DIR``: one session's server on a free loopback port.

Prints one line of JSON, {"port": N}, when it serves. Only the gateway starts it and talks to it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Serve until the process is ended; also ends when the gateway does (its end closes stdin)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--open", action="append", default=[], metavar="FILE")
    parser.add_argument("--apply", action="store_true")
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # trame has options of its own

    from trame.app import get_server

    from LesionKitLib.run.threads import prepare_libraries

    from .app import WorkbenchPage

    prepare_libraries()
    server = get_server("workbench", client_type="vue3")
    page = WorkbenchPage(server, options.folder, options.root)

    def ready(**_state) -> None:
        print(json.dumps({"port": server.port}), flush=True)
        _end_with_gateway()
        if options.open:
            page.open_paths(options.open, options.apply)

    server.controller.on_server_ready.add(ready)
    server.start(host="127.0.0.1", port=0, open_browser=False, show_connection_info=False, timeout=0)
    page.session.close()


def _end_with_gateway() -> None:
    """Nobody may be left behind: without its gateway nobody can reach this process any more."""
    import threading

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()
