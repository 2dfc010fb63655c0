"""``lesionkit workbench``: the modules in a browser."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
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
    parser.add_argument("--root", type=Path, metavar="DIR", help="visitors may open what lies in DIR by its path")
    parser.add_argument("--apply", action="store_true", help="analyze the opened image at once")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from LesionKitLib.run.errors import UnusableInput

    for file in options.files:
        if not Path(file).exists():
            raise UnusableInput(f"'{file}' does not exist.")
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UnusableInput("--tls-cert and --tls-key belong together; give both.")
    open_workbench(
        options.files, options.port, options.host, options.sessions, options.tls_cert, options.tls_key, options.state,
        options.apply, not options.no_browser, options.root,
    )  # fmt: skip


def open_workbench(
    files: list[str],
    port: int,
    host: str = "127.0.0.1",
    sessions: int = 4,
    certificate: Path | None = None,
    key: Path | None = None,
    state: Path | None = None,
    apply: bool = False,
    open_browser: bool = True,
    root: Path | None = None,
) -> None:
    """Serve until Ctrl+C; see LesionKitWorkbench.command.serve."""
    from LesionKitLib.run.errors import MissingResource

    if find_spec("trame_slicer") is None or find_spec("aiohttp") is None:
        raise MissingResource("The Workbench needs more packages: pip install 'lesionkit[workbench]'")
    if not (Path(__file__).parents[2] / "CovidLungQuant" / "CovidLungQuant.py").is_file():
        raise MissingResource("The Workbench runs from a copy of the repository, which holds the modules' own files.")
    from LesionKitWorkbench.command import serve
    from LesionKitWorkbench.gateway.access import choose_access
    from LesionKitWorkbench.gateway.server import tls_context

    tls = tls_context(certificate, key) if certificate is not None and key is not None else None
    serve(choose_access(host, None, tls is not None), port, files, sessions, tls, state, apply, open_browser, root)
