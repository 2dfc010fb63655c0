"""How work runs: progress and cancelling, the background, missing packages, errors that users understand."""
