"""Study where a submission fails, with facts about each voxel that only the simulation has.

`study` counts the errors, `page` shows them, `python -m organizer.failures` does both.
"""
