"""The challenge's one definition of formats, labels, submissions, metrics and report.

Organisers, participants and the platforms' workers import this same package. It needs numpy and
h5py alone and runs from Python 3.9 and numpy 1.22 on, the versions of the platforms' image.
"""

__version__ = "1.0.0"
