"""V clips and all their sentences as flat arrays.

S sentences, M entities, K pair relations and L actions stand flat, each with the row of what it belongs to.
That way a clip's pair features serve all its sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """V clips (N tubes, T frames, D appearance) and their S sentences; index columns are rows of this batch.

    single float16 [V, N, T, .] and pair float16 [V, N, N, T, .], geometry and motion; present bool [V, N, T]; frame
    bool [V, T], tube bool [V, N]: what is no padding; appearance float32 [V, N, D + C + A], of each tube.
    sentence_clip [S]; entity_sentence, entity_rank [M]; entity_words [M, words] (-1: none), entity_static [M, W],
    entity_label float32 [M, N]; target [S] (row of entity); known [S, 3], the true tube, first and end slot, -1:
    unknown, as all are but for the supervised ceiling. pair_* [K] and action_* [L]: sentence, subject,
    object, predicate (index in the vocabulary, -1: unseen), static [., W] and cue [., features].
    phrase [M]: equal numbers for equal phrases, for the contrast's false negatives.
    """

    single: np.ndarray
    pair: np.ndarray
    present: np.ndarray
    frame: np.ndarray
    tube: np.ndarray
    appearance: np.ndarray
    sentence_clip: np.ndarray
    target: np.ndarray
    known: np.ndarray
    entity_sentence: np.ndarray
    entity_rank: np.ndarray
    entity_words: np.ndarray
    entity_static: np.ndarray
    entity_label: np.ndarray
    phrase: np.ndarray
    pair_sentence: np.ndarray
    pair_subject: np.ndarray
    pair_object: np.ndarray
    pair_predicate: np.ndarray
    pair_static: np.ndarray
    pair_cue: np.ndarray
    action_sentence: np.ndarray
    action_subject: np.ndarray
    action_predicate: np.ndarray
    action_static: np.ndarray
    action_cue: np.ndarray
