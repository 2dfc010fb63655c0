"""The router's service as a process that tests can kill: python router_service_process.py PORT RULES [MS_PER_IMAGE].

It is what ``lesionkit route serve`` runs, with the classifier of router_fixtures in the place of the network.
DEADLY_CLASS in the environment: the process kills itself when the classifier sees an image of this class.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT / folder) for folder in ("LesionKit", "BodyPartRouter", "Applications", "Research", "Testing/support")
]


def main() -> int:
    from router_fixtures import BrightnessClassifier

    from BodyPartRouterLib.routing.configuration.rules_file import load_rules
    from LesionKitCLI.route_service import serve

    class SlowClassifier(BrightnessClassifier):
        def predict(self, xrays, progress=None):
            time.sleep(seconds * len(xrays))
            found = super().predict(xrays, progress)
            if any(one.label == os.environ.get("DEADLY_CLASS") for one in found):
                os.kill(os.getpid(), signal.SIGKILL)
            return found

    seconds = float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.0
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    return serve(load_rules(sys.argv[2]), SlowClassifier(), int(sys.argv[1]), lambda: load_rules(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
