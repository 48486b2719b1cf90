"""Settings of all tests."""

import signal

from hypothesis import settings

# The same examples on every machine, however slow it is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# A job in the background starts with Ctrl-C ignored, one under nohup with the terminal's end, and
# both hand that on to all that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
