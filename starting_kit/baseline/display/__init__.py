"""The event display: on a page, in a notebook, in print."""
