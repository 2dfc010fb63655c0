"""The sections of BodyPartRouter's panel, one file each. Qt is allowed here; they talk to the module's logic only."""
