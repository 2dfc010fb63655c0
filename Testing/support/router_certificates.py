"""Certificates for tests of TLS, made by openssl: an authority, and two holders whom it vouches for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl") is not None


def make_certificates(folder: Path) -> None:
    """authority.pem, and for "service" and "peer" NAME.pem and NAME.key, for the host 127.0.0.1."""
    folder.mkdir(parents=True, exist_ok=True)
    _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN=authority -keyout a.key -out authority.pem")
    (folder / "names.txt").write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
    for name in ("service", "peer"):
        _openssl(folder, f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr")
        _openssl(
            folder,
            f"x509 -req -days 3 -in {name}.csr -CA authority.pem -CAkey a.key -CAcreateserial -extfile names.txt "
            f"-out {name}.pem",
        )


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)
