"""Settings of all tests."""

from hypothesis import settings

# The same examples on every machine, however slow it is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
