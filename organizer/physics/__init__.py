"""Compare the simulation with published numbers, with beams of single particles in argon.

published -> beams -> runs, observe (in child processes) -> checks -> plots -> report.
`python -m organizer.physics --out build/report` writes the page; tests run the quick set.
"""
