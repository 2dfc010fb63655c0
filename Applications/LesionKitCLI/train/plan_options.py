"""What a user asked of a training: its seed and length."""

from __future__ import annotations

import argparse
from dataclasses import replace


def with_options(plan, options: argparse.Namespace):
    """The recipe's plan with the user's seed and number of steps."""
    plan = replace(plan, seed=options.seed)
    if options.steps:
        plan = replace(plan, steps=options.steps, warmup=min(plan.warmup, options.steps // 10))
    return plan
