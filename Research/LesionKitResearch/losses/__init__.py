"""Losses that use whatever part of the labels an image has."""
