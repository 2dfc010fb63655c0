"""``python -m LesionKitCLI``."""

import sys

from .main import main

sys.exit(main())
