"""The tab of CovidLungQuant."""
