"""Correcting a network's result by strokes: what is known before the first stroke, and what each stroke teaches."""
