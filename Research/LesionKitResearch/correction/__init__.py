"""How much a correction method gains for each stroke, measured by a robot annotator."""
