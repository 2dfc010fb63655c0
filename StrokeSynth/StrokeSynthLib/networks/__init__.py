"""The networks of StrokeSynth."""
