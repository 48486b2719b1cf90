"""The baseline: a sparse UResNet that labels every voxel of an event, and two peers without torch.

Train:    python -m baseline.train --events cycle1_train.h5 --preset cpu --out run/
Predict:  python -m baseline.predict --checkpoint run/best.pt --events cycle1_test.h5 --out s.zip
"""

import os

# Threads that wait for one another sleep, before torch or scikit-learn starts any. By default they
# spin: where other programs use the same cores, training took up to 20 times as long so.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
