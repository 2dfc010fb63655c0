"""COVID-19 or not: from the networks' predictions on slices to a decision on a study."""
