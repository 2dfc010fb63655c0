"""The tab of StrokeSynth."""
