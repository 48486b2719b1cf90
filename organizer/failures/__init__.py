"""Where a submission fails, told from what only the simulation knows of each voxel.

`study` counts, `page` shows, `python -m organizer.failures` does both.
"""
