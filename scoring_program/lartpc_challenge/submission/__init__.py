"""Submissions: the predicted label of every voxel of a test file (FORMAT.md, "Submission").

Write:  write_submission("submission.zip", event_id, offset, pred)
Read:   read_submission("submission.zip", manifest) -> pred (M,) uint8 in test-file voxel order
"""

from lartpc_challenge.submission.forms import read_submission, write_submission

__all__ = ["read_submission", "write_submission"]
