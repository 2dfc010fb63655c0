"""The body part of an X-ray by its pixels, and whether the header agrees."""
