"""The sections of StrokeSynth's panel. Qt is allowed here."""
