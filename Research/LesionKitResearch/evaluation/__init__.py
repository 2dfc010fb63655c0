"""How well the networks agree with experts, with intervals, per source."""
