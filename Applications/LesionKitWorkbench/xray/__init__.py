"""The tab of BodyPartRouter."""
