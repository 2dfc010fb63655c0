"""COVID-19 or not: from the networks' answers on slices to a decision on a study."""
