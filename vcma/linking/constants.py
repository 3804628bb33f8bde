"""Constants of the linking method that pipeline.yaml does not expose.

Times are in steps: the median time between sampled frames. What only bounds memory stands in `blocks`.
"""

from __future__ import annotations

# Appearance embeddings.
CLASS_WEIGHT = 0.6  # of the class distribution in an embedding, where the feature weighs 1
MIN_CENTRING_DENSITY = 2  # detections per non-empty frame; with fewer, the video's mean is the object itself
MIN_RELATIVE_LENGTH = 2e-3  # of the longest feature; shorter differences from the mean are float16 rounding

# The minimum cosine of two embeddings of one object.
THRESHOLD_FRAMES = 16  # frames measured, spread evenly over the video
MAX_IOU_OF_DIFFERENT = 0.3  # detections of one frame that overlap less are taken for different objects
THRESHOLD_DEVIATIONS = 3.0  # standard deviations above the mean cosine of different objects
MAX_THRESHOLD_SHARE = 0.5  # at most this share of the way from that mean to 1: more would split an object

# The score of a link.
CLASS_SHARE = 0.2  # of the overlap term, given to the class: fast objects' boxes may never meet
STEADY_OVERLAP = 0.5  # IoU from which a box is where its neighbours in time put it, whatever it looks like

# Look-alikes that meet.
MARGIN = 0.1  # of link scores; two links closer than that are left to the motion of longer tracklets
CROSSING_OVERLAP = 0.3  # IoU of two tracklets from which they may have been exchanged

# Motion of the ends of tracklets.
MOTION_POINTS = 8  # detections a line is fitted to at most: more average the jitter out
SURE_MOTION_POINTS = 3  # detections a line is fitted to however badly; beyond, one that leaves the line is a turn
MAX_RESIDUAL = 0.1  # box sizes; root of the cost of a line that still fits its detections
VELOCITY_RIDGE = 0.3  # steps^2; shrinks velocities of few points: (jitter / usual speed)^2
PREDICTION_ERROR = 0.1  # box sizes, of a line known as well as a single detection; boxes are widened by it
MAX_DISTANCE = 0.8  # box sizes from prediction to detection, for the same line; grows with its error

# Gaps.
SHORT_GAP = 3.0  # steps; over a longer one two single detections are not linked: nothing tells them from clutter
MAX_GROWTH = 2.0  # ratio of box sizes over a longer gap: interpolation says nothing of what grew more

FILLING_SHARE = 0.5  # of a tube's score; only a tube of less gives its detections to the gaps of the other

# Which tubes are kept.
MIN_VALUE = 0.005  # of the best tube's value; with less, a tube is clutter and hardly ever the answer

# Smoothing.
STIFFNESSES = (0.03, 0.3, 3.0, 30.0, 300.0)  # steps^3; weights of the squared acceleration to choose from
MAX_CORRECTION = 3.0  # standard deviations; larger corrections would undo a sudden move, not jitter
