"""Constants of the linking method that pipeline.yaml does not expose.

Times are in steps: a step is the median time between sampled frames. Memory limits are in `blocks`.
"""

from __future__ import annotations

# Appearance embeddings.
CLASS_WEIGHT = 0.6  # weight of the class distribution in an embedding, relative to the feature
MIN_CENTRING_DENSITY = 2  # detections per non-empty frame; with fewer, the video's mean is a single object
MIN_RELATIVE_LENGTH = 2e-3  # of the longest feature; smaller differences from the mean are float16 rounding

# The minimum cosine of two embeddings of one object.
THRESHOLD_FRAMES = 16  # number of frames to estimate it from, evenly spaced over the video
MAX_IOU_OF_DIFFERENT = 0.3  # detections in one frame with a lower IoU are considered different objects
THRESHOLD_DEVIATIONS = 3.0  # standard deviations above the mean cosine of different objects
MAX_THRESHOLD_SHARE = 0.5  # upper bound, as a share of the way from that mean to 1: a higher one splits objects

# The score of a link.
CLASS_SHARE = 0.2  # share of the overlap term assigned to the class: boxes of fast objects may not intersect
STEADY_OVERLAP = 0.5  # minimum IoU of a box with its predicted position that makes its appearance irrelevant

# Crossings of similar objects.
MARGIN = 0.1  # of link scores; links with smaller differences are left to the motion of longer tracklets
CROSSING_OVERLAP = 0.3  # IoU of two tracklets above which their identities may have been switched

# Motion of the ends of tracklets.
MOTION_POINTS = 8  # maximum number of detections in a line fit: more average out jitter
SURE_MOTION_POINTS = 3  # number of detections fitted regardless of the residual; a later one off the line is a turn
MAX_RESIDUAL = 0.1  # box sizes; maximum root of the cost of a line that fits its detections
VELOCITY_RIDGE = 0.3  # steps^2; shrinks velocities of few points: (jitter / typical speed)^2
PREDICTION_ERROR = 0.1  # box sizes; boxes are widened by it, for a line as precise as a single detection
MAX_DISTANCE = 0.8  # box sizes from prediction to detection, for such a line; grows with the standard error

# Gaps.
SHORT_GAP = 3.0  # steps; two single detections further apart are not linked: they may be clutter
MAX_GROWTH = 2.0  # maximum ratio of box sizes over a longer gap: beyond it, interpolation is meaningless

FILLING_SHARE = 0.5  # relative to a tube's score; only tubes with less donate detections to its gaps

# Selection of tubes.
MIN_VALUE = 0.005  # relative to the best tube's value; tubes with less are clutter

# Smoothing.
STIFFNESSES = (0.03, 0.3, 3.0, 30.0, 300.0)  # steps^3; candidate weights of the squared acceleration
MAX_CORRECTION = 3.0  # standard deviations; larger corrections would remove sudden motion, not jitter
