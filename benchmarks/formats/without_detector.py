"""Imported first: Pose2Sim is installed without its detector's packages; names that it imports from them stand empty.

What reads and writes files uses none of these.
"""

import sys
from unittest.mock import MagicMock

UNUSED = ("cv2", "rtoml", "statsmodels", "statsmodels.nonparametric", "statsmodels.nonparametric.smoothers_lowess")
UNUSED += ("filterpy", "filterpy.kalman", "filterpy.common", "PyQt5", "PyQt5.QtWidgets", "tqdm")
for name in UNUSED:
    sys.modules.setdefault(name, MagicMock())
