"""Procedural chest CTs whose lesions are known."""
