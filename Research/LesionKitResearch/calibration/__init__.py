"""Temperatures and limits that turn scores into probabilities and "cannot say"."""
