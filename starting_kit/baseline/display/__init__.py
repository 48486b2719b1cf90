"""Show events: on a page, in a notebook, and as pictures for print."""
