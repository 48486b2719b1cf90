"""The challenge's cycles, file formats, submissions, metrics and page of detailed results.

Organisers, participants and the platforms' workers use this same package. It needs only numpy
(1.22 or newer), h5py and Python 3.9 or newer, the versions on the platforms' workers.
"""

__version__ = "1.0.0"
