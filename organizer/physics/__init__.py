"""Is the simulation true? Published numbers against beams shot into our argon.

published -> beams -> observe (in child processes, by run) -> checks -> plots -> report.
`python -m organizer.physics --out build/report` writes the page; tests run the quick set.
"""
