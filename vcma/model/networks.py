"""p_theta and q_phi: the alignment prior, the relation emission, and the amortised variational distribution.

Axes: V clips, N tubes, T frames, S sentences, M entities, K pair relations, L actions, H width. Symbols as in the
paper: z_i is the tube of entity i, y_t = 1 if frame t shows the sentence, pi is a predicate.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from vcma.model.batch import NO_CANDIDATE, Batch
from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES
from vcma.model.temporal_posterior import CELLS
from vcma.model.vocabulary import Vocabulary

PSI_FLOOR = -4.0  # lower bound of psi, nats; also the value for absent tubes and for a tube related to itself

FEW_CLIPS = 10  # number of training clips at which a frame has half its weight
TRUSTED_CLIPS = 100  # number of training clips at which learned terms have half their weight

SINGLE, PAIR = len(SINGLE_FEATURES), len(PAIR_FEATURES)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class WordEncoder(nn.Module):
    """text(.): projected static vectors plus learned vectors of the training words."""

    def __init__(self, words: int, text: int, width: int):
        super().__init__()
        self.learned = nn.Embedding(words + 1, width, padding_idx=0)  # row 0: words without a vector
        nn.init.normal_(self.learned.weight, std=0.1)
        with torch.no_grad():
            self.learned.weight[0] = 0
        self.project = nn.Linear(text, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, ids: Int[Tensor, "M words"], static: Float[Tensor, "M text"]) -> Float[Tensor, "M H"]:
        """ids: indices of words; -1 for padding and words without a learned vector."""
        count = (ids >= 0).sum(1, keepdim=True).clamp(min=1)
        return self.project(static) + self.drop(self.learned(ids + 1).sum(1) / count)


class Emission(nn.Module):
    """p(pi | n, m, t): softmax of cos(f, text(pi)) over the training predicates and a background class.

    Also used for actions, where f depends on one tube.
    """

    def __init__(self, rates: tuple[float, ...], text: int, width: int):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(len(rates), width) * 0.1)
        self.none = nn.Parameter(torch.randn(1, width) * 0.5)
        self.project = nn.Linear(text, width)
        self.log_scale = nn.Parameter(torch.tensor(1.6))
        self.static: Tensor
        self.base: Tensor
        self.register_buffer("static", torch.zeros(len(rates), text))
        self.register_buffer("base", torch.tensor(rates).clamp(min=1e-6).log() if rates else torch.zeros(0))

    def _vectors(self) -> Tensor:
        return F.normalize(torch.cat([self.project(self.static) + self.learned, self.none]), dim=-1)

    def log_background(self, f: Float[Tensor, "*axes H"]) -> Float[Tensor, "*axes"]:
        """Return log p(none | .), of the background class."""
        return self._logits(f).log_softmax(-1)[..., -1]

    def _logits(self, f: Tensor) -> Tensor:
        return F.normalize(f, dim=-1) @ self._vectors().T * self.log_scale.exp()

    def forward(
        self,
        f: Float[Tensor, "V *axes H"],
        clip: Int[Tensor, " K"],
        predicate: Int[Tensor, " K"],
        static: Float[Tensor, "K text"],
    ) -> tuple[Float[Tensor, "K *axes"], Float[Tensor, " K"]]:
        """Return log p(pi_k | .) and log p0(pi_k) of each relation.

        A predicate unseen in training (-1) is added to the softmax with its static vector and the minimum p0.
        """
        logits = self._logits(f)
        total = logits.logsumexp(-1)
        row = predicate.clamp(min=0)
        if len(self.base):
            own = logits.movedim(-1, 1)[clip, row]
            base = self.base[row]
        else:
            own, base = torch.zeros_like(total[clip]), torch.zeros_like(predicate, dtype=f.dtype)
        new = (predicate < 0).nonzero()[:, 0]
        norm = total[clip]
        if len(new):
            text = F.normalize(self.project(static[new]), dim=-1)
            fresh = scores_in_clip(F.normalize(f, dim=-1), text, clip[new]) * self.log_scale.exp()
            own = own.index_copy(0, new, fresh)
            norm = norm.index_copy(0, new, torch.logaddexp(norm[new], fresh))
            least = self.base.min() if len(self.base) else torch.zeros((), device=f.device)
            base = base.index_fill(0, new, float(least))
        return own - norm, base


class Theta(nn.Module):
    """p_theta: the alignment prior p(z, y | E, V) and the relation emission p(R | z, y, E, V)."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        width: int,
        bottleneck: int,
        dropout: float,
        label_prior: float,
        score_prior: float,
        region_text_prior: float,
    ):
        super().__init__()
        labels = len(vocabulary.class_names) + len(vocabulary.attribute_names)
        self.label_prior, self.score_prior, self.region_text_prior = label_prior, score_prior, region_text_prior
        self.words = WordEncoder(len(vocabulary.words), vocabulary.text_width, width)
        self.vis = _mlp(vocabulary.feature + labels, width, width)
        self.tau = nn.Parameter(torch.tensor(1.0))
        # On a small corpus the model learns from its own errors, so learned appearance and the margin, which
        # shortens spans, are weighted by corpus size.
        self.trust = vocabulary.clips / (vocabulary.clips + TRUSTED_CLIPS)
        # With few clips, a relation can hardly be separated from other properties of their frames: lower kappa.
        self.independence = vocabulary.clips / (vocabulary.clips + FEW_CLIPS)
        # log p(b, e) in tenths of the segment; a buffer, because its M-step is in closed form.
        self.runs: Tensor
        self.register_buffer("runs", torch.zeros(CELLS, CELLS))
        self.drop = nn.Dropout(dropout)
        self.narrow = nn.Linear(vocabulary.feature + labels, bottleneck) if bottleneck else None
        inner = width // 2
        self.as_subject = nn.Linear(SINGLE + bottleneck, width)
        self.as_object = nn.Linear(SINGLE + bottleneck, width)
        self.between = nn.Linear(PAIR, width)
        self.pair_out = _mlp(width, inner)
        self.alone = _mlp(SINGLE + bottleneck, width, width, inner)
        self.pair = Emission(vocabulary.pair_rate, vocabulary.text_width, inner)
        self.action = Emission(vocabulary.action_rate, vocabulary.text_width, inner)

    def similarity(self, batch: Batch) -> Float[Tensor, "M V N"]:
        """Return cos(text(e), vis(n)) for all entities and all tubes of all clips."""
        text = F.normalize(self.words(batch.entity_words, batch.entity_static), dim=-1)
        vis = F.normalize(self.vis(batch.appearance), dim=-1)
        return torch.einsum("mh,vnh->mvn", text, vis)

    def log_prior(self, batch: Batch, similarity: Float[Tensor, "M V N"]) -> Float[Tensor, "M N"]:
        """Return log p(z_i = n | E, V); NO_CANDIDATE for padding."""
        own = similarity[torch.arange(len(similarity), device=similarity.device), batch.entity_clip]
        score = self.trust * self.tau.exp() * own + self.label_prior * batch.entity_label
        score = score + self.score_prior * batch.prominence[batch.entity_clip]
        return batch.over_candidates(score + self.region_text_prior * batch.entity_region_text)

    def features(self, batch: Batch) -> tuple[Float[Tensor, "V N N T h"], Float[Tensor, "V N T h"]]:
        """Return the features f(n, m, t) of pairs and f(n, t) of single tubes."""
        tube = batch.single
        if self.narrow is not None:
            appearance = self.drop(self.narrow(batch.appearance))
            tube = torch.cat([tube, appearance[:, :, None].expand(-1, -1, tube.shape[2], -1)], -1)
        hidden = self.as_subject(tube)[:, :, None] + self.as_object(tube)[:, None] + self.between(batch.pair)
        return self.pair_out(F.relu(hidden)), self.alone(tube)


class OverTime(nn.Module):
    """Log-odds of the frames of each relation, from its features in a window of 13 frames.

    The emission judges every frame alone; the begin and end of an action show only in the frames around it. Of a
    longer clip, training samples `train_frames` frames. Frames of a window are as far apart in inference as in
    training: T / train_frames, for a clip of T frames.
    """

    def __init__(self, width: int, train_frames: int):
        super().__init__()
        self.train_frames = train_frames
        self.gate = nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)
        self.near = nn.Linear(5 * 2 * width, width)
        self.far = nn.Linear(5 * width, width)
        self.out = nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, f: Float[Tensor, "K T h"], text: Float[Tensor, "K h"], frame: Bool[Tensor, "K T"]
    ) -> Float[Tensor, "K T"]:
        """f: expected features of its tubes. text: vector of its predicate. frame: frames that are not padding."""
        mask = frame[..., None]
        step = (frame.sum(1) / self.train_frames).round().long().clamp(min=1)
        x = torch.cat([f, f * self.gate(text)[:, None]], -1)
        x = F.relu(self.near(frames_around(self.drop(x) * mask, step))) * mask
        x = x + F.relu(self.far(frames_around(x, 2 * step)))
        return self.out(x)[..., 0]


def frames_around(x: Float[Tensor, "K T h"], step: Int[Tensor, " K"]) -> Float[Tensor, "K T 5*h"]:
    """Return the features of five frames, `step` frames apart, around every frame; 0 outside the clip."""
    K, T, _ = x.shape
    row, frame, place = (torch.arange(n, device=x.device) + first for n, first in ((K, 0), (T, 0), (5, -2)))
    at = frame[:, None] + step[:, None, None] * place
    near = x[row[:, None, None], at.clamp(0, T - 1)]
    return (near * ((at >= 0) & (at < T))[..., None]).flatten(2)


class Phi(nn.Module):
    """q_phi(Z | E, V): amortised inference in one pass.

    Every entity is encoded in the context of its sentence and scored against the tubes of the clip; theta's
    features of pairs and tubes, without gradient, provide the scores of its relations by tube and frame.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        width: int,
        train_frames: int,
        label_prior: float,
        score_prior: float,
        region_text_prior: float,
    ):
        super().__init__()
        labels = len(vocabulary.class_names) + len(vocabulary.attribute_names)
        inner = width // 2
        self.words = WordEncoder(len(vocabulary.words), vocabulary.text_width, width)
        self.predicate = nn.Linear(vocabulary.text_width, width)
        self.context = nn.ModuleDict({role: nn.Linear(2 * width, width) for role in ("subject", "object", "alone")})
        self.vis = _mlp(vocabulary.feature + labels + 2 * SINGLE, width, width)
        self.label_prior = nn.Parameter(torch.tensor(float(label_prior)))
        self.score_prior = nn.Parameter(torch.tensor(float(score_prior)))
        self.region_text_prior = nn.Parameter(torch.tensor(float(region_text_prior)))
        self.pair_text = nn.Parameter(torch.zeros(len(vocabulary.pairs) + 1, inner))
        self.action_text = nn.Parameter(torch.zeros(len(vocabulary.actions) + 1, inner))
        self.pair_static = nn.Linear(vocabulary.text_width, inner)
        self.action_static = nn.Linear(vocabulary.text_width, inner)
        self.weight = nn.Parameter(torch.tensor([1.0, 1.0, 0.0]))  # relation on z, relation on y, offset of y
        self.pair_time, self.action_time = (OverTime(inner, train_frames) for _ in range(2))
        self.scale = width**-0.5

    def forward(self, batch: Batch, f: tuple[Tensor, Tensor]) -> tuple[Float[Tensor, "M N"], Float[Tensor, "S T"]]:
        """Return log q(z_i = n) and the log-odds of q(y_t). f: theta's features of pairs and single tubes."""
        text = self._context(batch)
        single = batch.single
        frame = batch.frame[:, None, :, None]
        count = frame.sum(2)
        mean = (single * frame).sum(2) / count
        spread = torch.cat([mean, (((single - mean[:, :, None]) ** 2 * frame).sum(2) / count + 1e-6).sqrt()], -1)
        vis = self.vis(torch.cat([batch.appearance, spread], -1))
        score = torch.einsum("mh,mnh->mn", text, vis[batch.entity_clip]) * self.scale
        score = score + self.label_prior * batch.entity_label
        score = score + self.score_prior * batch.prominence[batch.entity_clip]
        score = score + self.region_text_prior * batch.entity_region_text
        score = score.masked_fill(~batch.candidates, NO_CANDIDATE)
        first = score.log_softmax(-1)

        pair_f, action_f = (F.normalize(x.detach(), dim=-1) for x in f)
        pair_text = self.pair_text[batch.pair_predicate + 1] + self.pair_static(batch.pair_static)
        action_text = self.action_text[batch.action_predicate + 1] + self.action_static(batch.action_static)
        pair_clip = batch.sentence_clip[batch.pair_sentence]
        action_clip = batch.sentence_clip[batch.action_sentence]
        absent = ~batch.usable
        pair = scores_in_clip(pair_f, pair_text, pair_clip)
        pair = pair.masked_fill(unusable_pairs(absent)[pair_clip], PSI_FLOOR)
        action = scores_in_clip(action_f, action_text, action_clip).masked_fill(absent[action_clip], PSI_FLOOR)
        s, o = batch.pair_subject, batch.pair_object
        over_time = _log_mean_exp(pair, batch.frame[pair_clip][:, None, None])
        alone = _log_mean_exp(action, batch.frame[action_clip][:, None])
        extra = torch.zeros_like(score)
        extra = extra.index_add(0, s, (over_time + first[o][:, None]).logsumexp(-1))
        extra = extra.index_add(0, o, (over_time + first[s][:, :, None]).logsumexp(1))
        extra = extra.index_add(0, batch.action_subject, alone)
        log_z = (score + self.weight[0] * extra).masked_fill(~batch.candidates, NO_CANDIDATE).log_softmax(-1)

        z = log_z.exp()
        time = torch.zeros(len(batch.sentence_clip), pair.shape[-1], device=z.device)
        time = time.index_add(0, batch.pair_sentence, torch.einsum("knmt,kn,km->kt", pair, z[s], z[o]))
        time = time.index_add(0, batch.action_sentence, torch.einsum("knt,kn->kt", action, z[batch.action_subject]))
        log_odds = self.weight[1] * centred(time, batch) + self.weight[2]
        pair_z = (z[s][:, :, None] * z[o][:, None]).flatten(1)
        pair_x = expected_in_clip(pair_f.flatten(1, 2), pair_z, pair_clip)
        action_x = expected_in_clip(action_f, z[batch.action_subject], action_clip)
        shown = self.pair_time(pair_x, pair_text, batch.frame[pair_clip])
        log_odds = log_odds.index_add(0, batch.pair_sentence, shown)
        shown = self.action_time(action_x, action_text, batch.frame[action_clip])
        log_odds = log_odds.index_add(0, batch.action_sentence, shown)
        return log_z.clamp(min=NO_CANDIDATE), log_odds

    def _context(self, batch: Batch) -> Tensor:
        own = self.words(batch.entity_words, batch.entity_static)
        pair, action = self.predicate(batch.pair_static), self.predicate(batch.action_static)
        s, o = batch.pair_subject, batch.pair_object
        context = torch.zeros_like(own)
        context = context.index_add(0, s, self.context["subject"](torch.cat([pair, own[o]], -1)))
        context = context.index_add(0, o, self.context["object"](torch.cat([pair, own[s]], -1)))
        alone = batch.action_subject
        context = context.index_add(0, alone, self.context["alone"](torch.cat([action, own[alone]], -1)))
        return own + F.relu(context)


def _log_mean_exp(x: Float[Tensor, "*axes T"], mask: Bool[Tensor, "*#axes T"]) -> Float[Tensor, "*axes"]:
    """log-mean-exp over the masked entries of the last axis."""
    return x.masked_fill(~mask, NO_CANDIDATE).logsumexp(-1) - mask.sum(-1).log()


def scores_in_clip(
    features: Float[Tensor, "V *axes H"], text: Float[Tensor, "K H"], clip: Int[Tensor, " K"]
) -> Float[Tensor, "K *axes"]:
    """Return the dot products of each relation's vector with the features at all positions of its clip.

    clip: sorted in ascending order. Features are not copied per relation.
    """
    padded, slot = _by_clip(text, clip, len(features))
    scores = torch.bmm(padded, features.flatten(1, -2).transpose(1, 2))
    return scores[clip, slot].view(-1, *features.shape[1:-1])


def expected_in_clip(
    features: Float[Tensor, "V P T H"], z: Float[Tensor, "K P"], clip: Int[Tensor, " K"]
) -> Float[Tensor, "K T H"]:
    """Return the expected features of each relation under weights z of its clip's tubes or pairs; see above."""
    padded, slot = _by_clip(z, clip, len(features))
    return torch.bmm(padded, features.flatten(2))[clip, slot].view(-1, *features.shape[2:])


def _by_clip(rows: Float[Tensor, "K w"], clip: Int[Tensor, " K"], clips: int) -> tuple[Tensor, Tensor]:
    """Rows by clip, padded [V, k, w], and the position [K] of each row within its clip."""
    count = torch.bincount(clip, minlength=clips)
    slot = torch.arange(len(clip), device=clip.device) - (count.cumsum(0) - count)[clip]
    return rows.new_zeros(clips, int(count.max()), rows.shape[1]).index_put((clip, slot), rows), slot


def centred(evidence: Float[Tensor, "S T"], batch: Batch) -> Float[Tensor, "S T"]:
    """Subtract from the evidence its mean over the clip's frames."""
    frame = batch.frame[batch.sentence_clip]
    mean = (evidence * frame).sum(1, keepdim=True) / frame.sum(1, keepdim=True)
    return evidence - mean


def cue_evidence(
    cue: Float[Tensor, "K c"],
    features: Float[Tensor, "V *axes c"],
    clip: Int[Tensor, " K"],
    unusable: Bool[Tensor, "K *axes"],
) -> Float[Tensor, "K *axes"]:
    """Return the scores of relation cues on geometry and motion features, minus their mean over usable positions.

    A cue therefore only compares tubes and frames within a clip.
    """
    return less_its_mean(scores_in_clip(features, cue, clip), unusable)


def less_its_mean(scores: Float[Tensor, "K *axes"], unusable: Bool[Tensor, "K *axes"]) -> Float[Tensor, "K *axes"]:
    """Subtract from the scores of each relation their mean over usable positions."""
    mask = ~unusable
    axes = tuple(range(1, scores.ndim))
    mean = (scores * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return scores - mean


def unusable_pairs(absent: Bool[Tensor, "V N T"]) -> Bool[Tensor, "V N N T"]:
    """Return the mask of pairs in which a tube is absent or both are the same tube."""
    same = torch.eye(absent.shape[1], dtype=torch.bool, device=absent.device)
    return absent[:, :, None] | absent[:, None] | same[..., None]
