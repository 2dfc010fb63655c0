"""``lesionkit workbench``: the modules in a browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionKitCLI.shared.parser import add_command

EXAMPLES = ("lesionkit workbench", "lesionkit workbench ct.nii.gz", "lesionkit workbench dicom-folder --port 9000")


def add_parser(commands) -> None:
    parser = add_command(commands, "workbench", "run, correct and export in a browser", EXAMPLES)
    parser.add_argument("files", nargs="*", metavar="FILES", help="an image to open: file or DICOM folder")
    parser.add_argument("--port", type=int, default=8765, metavar="P", help="default: 8765; 0: any that is free")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="default: 127.0.0.1, this computer only")
    parser.add_argument("--sessions", type=int, default=4, metavar="N", help="visitors at once (default 4)")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate; needed when others may come in")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder for the sessions (default: the user's cache)")
    parser.add_argument("--apply", action="store_true", help="analyze the opened image at once")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput
    from LesionKitWorkbench.command import serve
    from LesionKitWorkbench.gateway.access import choose_access
    from LesionKitWorkbench.gateway.server import tls_context

    for file in options.files:
        if not Path(file).exists():
            raise UnusableInput(f"'{file}' does not exist.")
    tls = tls_context(options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
    access = choose_access(options.host, None, tls is not None)
    serve(
        access, options.port, options.files, options.sessions, tls, options.state, options.apply, not options.no_browser
    )
