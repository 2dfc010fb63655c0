"""The Workbench: the modules in a browser. trame-slicer gives scene, views and editor; the modules' logics do the rest.

command.py       starts it; gateway/ is the only door: sessions, Origin, token, TLS
session/         one process per user: its scene, its page, its autosave
host/            what 3D Slicer's Python adds to slicer-core, so that the modules' files load unchanged
views/           slice and 3-D views
editing/         Slicer's segment editor
chest/, brain/, xray/  the tabs of the three modules
"""
