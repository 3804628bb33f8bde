"""p_theta and q_phi: the alignment prior, the relation emission, and the amortised variational distribution.

Axes: V clips, N tubes, T frames, S sentences, M entities, K pair relations, L actions, H width. Symbols as in the
paper: z_i is the tube of entity i, y_t says whether frame t shows the sentence, pi is a predicate.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vcma.corpus import Batch, Vocabulary
from vcma.cues import PAIR_FEATURES, SINGLE_FEATURES

PSI_FLOOR = -4.0  # lower bound of psi (nat); an absent tube or a tube in relation to itself has it
NO_CANDIDATE = -1e9  # log-probability of padding
_LAGS = (1, 3)  # sampled frames either side over which motion is measured
_WINDOW = 3  # sampled frames either side over which unrest is measured


@dataclass(frozen=True)
class Tensors:
    """A Batch as tensors on one device; same fields."""

    box: Tensor
    present: Tensor
    time: Tensor
    frame: Tensor
    tube: Tensor
    feature: Tensor
    label: Tensor
    sentence_clip: Tensor
    target: Tensor
    entity_sentence: Tensor
    entity_rank: Tensor
    entity_words: Tensor
    entity_static: Tensor
    entity_label: Tensor
    phrase: Tensor
    pair_sentence: Tensor
    pair_subject: Tensor
    pair_object: Tensor
    pair_predicate: Tensor
    pair_static: Tensor
    pair_cue: Tensor
    action_sentence: Tensor
    action_subject: Tensor
    action_predicate: Tensor
    action_static: Tensor
    action_cue: Tensor

    @classmethod
    def of(cls, batch: Batch, device: str) -> Tensors:
        return cls(*(torch.as_tensor(getattr(batch, f.name), device=device) for f in fields(cls)))

    @property
    def entity_clip(self) -> Tensor:
        return self.sentence_clip[self.entity_sentence]

    @property
    def candidates(self) -> Tensor:
        """Which tubes each entity may be: bool [M, N]."""
        return self.tube[self.entity_clip]


class Neighbours:
    """The frames before and after: the value of x [V, N, T, c] `by` frames away, held at the ends of each clip."""

    def __init__(self, time: Tensor, frame: Tensor):
        self.time, self.last = time, frame.sum(1, keepdim=True) - 1

    def _index(self, by: int) -> Tensor:
        here = torch.arange(self.time.shape[1], device=self.time.device) + by
        return torch.minimum(here.clamp(min=0), self.last)

    def shift(self, x: Tensor, by: int) -> Tensor:
        return torch.take_along_dim(x, self._index(by)[:, None, :, None], dim=2)

    def rate(self, x: Tensor, lag: int) -> Tensor:
        """Central difference over `lag` frames either side, per second."""
        seconds = torch.take_along_dim(self.time, self._index(lag), 1)
        seconds = (seconds - torch.take_along_dim(self.time, self._index(-lag), 1)).clamp(min=1e-2)
        return (self.shift(x, lag) - self.shift(x, -lag)) / seconds[:, None, :, None]

    def deviation(self, x: Tensor) -> Tensor:
        """Standard deviation in a window of frames."""
        near = torch.stack([self.shift(x, k) for k in range(-_WINDOW, _WINDOW + 1)])
        return near.var(0, unbiased=False).add(1e-6).sqrt()

    def deviance(self, x: Tensor) -> Tensor:
        """Difference from the mean over the clip."""
        frame = (torch.arange(x.shape[2], device=x.device) <= self.last)[:, None, :, None]
        return x - ((x * frame).sum(2) / frame.sum(2))[:, :, None]

    def jerk(self, x: Tensor) -> Tensor:
        """Second difference."""
        return x - (self.shift(x, 1) + self.shift(x, -1)) / 2


def single_features(box: Tensor, near: Neighbours) -> Tensor:
    """Motion of each tube: float [V, N, T, 20] from boxes [V, N, T, 4].

    Size and shape against the tube's own mean; velocity in body lengths a second and growth over two lags; unrest
    of place and shape. Nothing says where and how large the tube is: that would tell a small corpus's videos apart,
    and the emission would learn them by heart.
    """
    centre = (box[..., :2] + box[..., 2:]) / 2
    extent = (box[..., 2:] - box[..., :2]).clamp(min=1e-3)
    size = extent.prod(-1).sqrt()
    shape = [near.deviance(x[..., None])[..., 0] for x in (size.log(), (extent[..., 0] / extent[..., 1]).log())]
    motion = []
    for lag in _LAGS:
        velocity = near.rate(centre, lag) / size[..., None]
        growth = near.rate(extent.log(), lag)
        speed = velocity.norm(dim=-1)
        motion += [*velocity.unbind(-1), speed, *growth.unbind(-1), growth.abs().sum(-1)]
    place = torch.cat([centre / size[..., None], extent.log()], -1)
    unrest = [*near.deviation(place).unbind(-1), *near.deviation(near.jerk(place[..., :2])).unbind(-1)]
    return torch.stack([*shape, *(torch.tanh(m / 2) for m in motion), *unrest], -1)


def pair_features(box: Tensor, near: Neighbours) -> Tensor:
    """Geometry and motion of each ordered pair of tubes: float [V, N, N, T, 21], first axis N the subject."""
    centre = (box[..., :2] + box[..., 2:]) / 2
    extent = (box[..., 2:] - box[..., :2]).clamp(min=1e-3)
    size = extent.prod(-1).sqrt()
    n, m = (slice(None), slice(None), None), (slice(None), None)
    scale = ((size[n] + size[m]) / 2)[..., None]
    apart = (centre[m] - centre[n]) / scale
    distance = apart.norm(dim=-1).clamp(min=1e-3)
    direction = apart / distance[..., None]
    inner = torch.minimum(box[n][..., 2:], box[m][..., 2:]) - torch.maximum(box[n][..., :2], box[m][..., :2])
    meet = inner.clamp(min=0).prod(-1)
    area = extent.prod(-1)
    edges = (box[m] - box[n])[..., 1::2] / scale  # of the upper and lower edges: who stands above, who in front
    found = [
        *torch.tanh(apart).unbind(-1),
        torch.tanh(apart[..., 0].abs()),
        torch.tanh(distance / 2),
        *torch.tanh(edges).unbind(-1),
        *torch.tanh(-inner / scale).unbind(-1),
        (size[m] / size[n]).log(),
        meet / (area[n] + area[m] - meet),
        meet / area[n].expand_as(meet),
        meet / area[m].expand_as(meet),
    ]
    for lag in _LAGS:
        velocity = near.rate(centre, lag)
        vn, vm = velocity[n] / scale, velocity[m] / scale
        along_n, along_m = (vn * direction).sum(-1), (vm * direction).sum(-1)
        approach, together = along_n - along_m, (vn - vm).norm(dim=-1)
        found += [torch.tanh(x / 2) for x in (along_n, along_m, approach, together)]
    found.append(torch.tanh((vn * vm).sum(-1)))
    return torch.stack(torch.broadcast_tensors(*found), -1)


SINGLE, PAIR = len(SINGLE_FEATURES), len(PAIR_FEATURES)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class _Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[..., :0]


def _narrow(width: int, bottleneck: int) -> nn.Module:
    return nn.Linear(width, bottleneck) if bottleneck else _Nothing()


class Words(nn.Module):
    """text(.): static vectors, projected, plus learned vectors of the words seen in training."""

    def __init__(self, words: int, width: int):
        super().__init__()
        self.learned = nn.Embedding(words + 1, width, padding_idx=0)  # row 0: a word without a vector
        nn.init.normal_(self.learned.weight, std=0.1)
        with torch.no_grad():
            self.learned.weight[0] = 0
        self.project = nn.Linear(256, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, ids: Tensor, static: Tensor) -> Tensor:
        """ids int64 [M, W] (-1: none or unseen), static float [M, 256] -> float [M, H]."""
        known = (ids >= 0).sum(1, keepdim=True).clamp(min=1)
        return self.project(static) + self.drop(self.learned(ids + 1).sum(1) / known)


class Emission(nn.Module):
    """p(pi | n, m, t): softmax over the training predicates and `none` of cos(f, text(pi)).

    The same class serves actions, where f sees one tube.
    """

    def __init__(self, rates: tuple[float, ...], width: int):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(len(rates), width) * 0.1)
        self.none = nn.Parameter(torch.randn(1, width) * 0.5)
        self.project = nn.Linear(256, width)
        self.log_scale = nn.Parameter(torch.tensor(1.6))
        self.static: Tensor
        self.base: Tensor
        self.register_buffer("static", torch.zeros(len(rates), 256))
        self.register_buffer("base", torch.tensor(rates).clamp(min=1e-6).log() if rates else torch.zeros(0))

    def _vectors(self) -> Tensor:
        return F.normalize(torch.cat([self.project(self.static) + self.learned, self.none]), dim=-1)

    def log_none(self, f: Tensor) -> Tensor:
        """log p(none | .) for f [..., H]."""
        return self._logits(f).log_softmax(-1)[..., -1]

    def _logits(self, f: Tensor) -> Tensor:
        return F.normalize(f, dim=-1) @ self._vectors().T * self.log_scale.exp()

    def forward(self, f: Tensor, clip: Tensor, predicate: Tensor, static: Tensor) -> tuple[Tensor, Tensor]:
        """log p(pi_k | .) and log p0(pi_k) of each relation: f [V, ..., H], the rest [K] -> [K, ...] and [K].

        A predicate unseen in training (-1) joins the softmax through its static vector, with the smallest p0.
        """
        logits = self._logits(f)
        total = logits.logsumexp(-1)
        seen = predicate.clamp(min=0)
        if len(self.base):
            own = logits.movedim(-1, 1)[clip, seen]
            base = self.base[seen]
        else:
            own, base = torch.zeros_like(total[clip]), torch.zeros_like(predicate, dtype=f.dtype)
        new = (predicate < 0).nonzero()[:, 0]
        norm = total[clip]
        if len(new):
            text = F.normalize(self.project(static[new]), dim=-1)
            fresh = torch.einsum("k...h,kh->k...", F.normalize(f[clip[new]], dim=-1), text) * self.log_scale.exp()
            own = own.index_copy(0, new, fresh)
            norm = norm.index_copy(0, new, torch.logaddexp(norm[new], fresh))
            least = self.base.min() if len(self.base) else torch.zeros((), device=f.device)
            base = base.index_fill(0, new, float(least))
        return own - norm, base


class Theta(nn.Module):
    """p_theta: the alignment prior p(z, y | E, V) and the relation emission p(R | z, y, E, V)."""

    def __init__(self, vocabulary: Vocabulary, *, width: int, bottleneck: int, dropout: float, label_prior: float):
        super().__init__()
        labels = len(vocabulary.class_names) + len(vocabulary.attribute_names)
        self.label_prior = label_prior
        self.words = Words(len(vocabulary.words), width)
        self.vis = _mlp(vocabulary.feature + labels, width, width)
        self.tau = nn.Parameter(torch.tensor(1.0))
        self.offset = nn.Parameter(torch.tensor(0.0))
        self.drop = nn.Dropout(dropout)
        self.narrow = _narrow(vocabulary.feature + labels, bottleneck)
        self.change = _narrow(vocabulary.feature, bottleneck)
        inner = width // 2
        self.thin = nn.Dropout(dropout / 2)
        self.as_subject = nn.Linear(SINGLE + bottleneck, width)
        self.as_object = nn.Linear(SINGLE + bottleneck, width)
        self.between = nn.Linear(PAIR, width)
        self.pair_out = _mlp(width, width, inner)
        self.alone = nn.Sequential(
            nn.Linear(SINGLE + 2 * bottleneck, width),
            nn.ReLU(),
            nn.Dropout(dropout / 2),
            *_mlp(width, width, inner),
        )
        self.pair = Emission(vocabulary.pair_rate, inner)
        self.action = Emission(vocabulary.action_rate, inner)

    def appearance(self, batch: Tensors) -> Tensor:
        """Pooled appearance and labels of each tube: float [V, N, D + C + A]; the feature has unit length."""
        count = batch.present.sum(-1, keepdim=True).clamp(min=1)
        return torch.cat([F.normalize(batch.feature.sum(2) / count, dim=-1), batch.label], -1)

    def similarity(self, batch: Tensors) -> Tensor:
        """cos(text(e), vis(n)) of every entity with every tube of every clip: float [M, V, N]."""
        text = F.normalize(self.words(batch.entity_words, batch.entity_static), dim=-1)
        vis = F.normalize(self.vis(self.appearance(batch)), dim=-1)
        return torch.einsum("mh,vnh->mvn", text, vis)

    def log_prior(self, batch: Tensors, similarity: Tensor) -> Tensor:
        """log p(z_i = n | E, V): float [M, N], NO_CANDIDATE for padding."""
        own = similarity[torch.arange(len(similarity), device=similarity.device), batch.entity_clip]
        score = self.tau.exp() * own + self.label_prior * batch.entity_label
        return score.masked_fill(~batch.candidates, NO_CANDIDATE).log_softmax(-1).clamp(min=NO_CANDIDATE)

    def features(self, batch: Tensors) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """f(n, m, t) [V, N, N, T, H / 2] and f(n, t) [V, N, T, H / 2], and the geometry they were made from, whose
        last axes are PAIR_FEATURES and SINGLE_FEATURES.
        """
        near = Neighbours(batch.time, batch.frame)
        single = single_features(batch.box, near)
        between = pair_features(batch.box, near)
        look = self.drop(self.narrow(self.appearance(batch)))[:, :, None].expand(-1, -1, single.shape[2], -1)
        seen = torch.cat([single, look], -1)
        hidden = self.as_subject(seen)[:, :, None] + self.as_object(seen)[:, None] + self.between(between)
        mean = batch.feature.sum(2) / batch.present.sum(-1, keepdim=True).clamp(min=1)
        moved = (batch.feature - mean[:, :, None]) * batch.present[..., None]
        alone = self.alone(torch.cat([seen, self.drop(self.change(moved))], -1))
        return self.pair_out(self.thin(F.relu(hidden))), alone, between, single


class Phi(nn.Module):
    """q_phi(Z | E, V): one amortised pass. Every entity reads its sentence, attends to the tubes of the clip, and
    through theta's pair representation (no gradient into theta) to the tubes and frames of its relations.
    """

    def __init__(self, vocabulary: Vocabulary, *, width: int, label_prior: float):
        super().__init__()
        labels = len(vocabulary.class_names) + len(vocabulary.attribute_names)
        inner = width // 2
        self.words = Words(len(vocabulary.words), width)
        self.predicate = nn.Linear(256, width)
        self.context = nn.ModuleDict({role: nn.Linear(2 * width, width) for role in ("subject", "object", "alone")})
        self.vis = _mlp(vocabulary.feature + labels + 2 * SINGLE, width, width)
        self.label_prior = nn.Parameter(torch.tensor(label_prior))
        self.pair_text = nn.Parameter(torch.zeros(len(vocabulary.pairs) + 1, inner))
        self.action_text = nn.Parameter(torch.zeros(len(vocabulary.actions) + 1, inner))
        self.pair_static = nn.Linear(256, inner)
        self.action_static = nn.Linear(256, inner)
        self.weight = nn.Parameter(torch.tensor([1.0, 1.0, 0.0]))  # relation on z, relation on y, offset of y
        self.scale = width**-0.5

    def forward(self, batch: Tensors, appearance: Tensor, f: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """log q(z_i = n) [M, N] and the log-odds of q(y_t) [S, T]."""
        text = self._context(batch)
        single = single_features(batch.box, Neighbours(batch.time, batch.frame))
        frame = batch.frame[:, None, :, None]
        count = frame.sum(2)
        mean = (single * frame).sum(2) / count
        spread = torch.cat([mean, (((single - mean[:, :, None]) ** 2 * frame).sum(2) / count + 1e-6).sqrt()], -1)
        vis = self.vis(torch.cat([appearance, spread], -1))
        score = torch.einsum("mh,mnh->mn", text, vis[batch.entity_clip]) * self.scale
        score = (score + self.label_prior * batch.entity_label).masked_fill(~batch.candidates, NO_CANDIDATE)
        first = score.log_softmax(-1)

        pair, action = self._evidence(batch, f)
        s, o = batch.pair_subject, batch.pair_object
        over_time = _log_mean_exp(pair, batch.frame[batch.sentence_clip[batch.pair_sentence]][:, None, None])
        alone = _log_mean_exp(action, batch.frame[batch.sentence_clip[batch.action_sentence]][:, None])
        extra = torch.zeros_like(score)
        extra = extra.index_add(0, s, (over_time + first[o][:, None]).logsumexp(-1))
        extra = extra.index_add(0, o, (over_time + first[s][:, :, None]).logsumexp(1))
        extra = extra.index_add(0, batch.action_subject, alone)
        log_z = (score + self.weight[0] * extra).masked_fill(~batch.candidates, NO_CANDIDATE).log_softmax(-1)

        z = log_z.exp()
        time = torch.zeros(len(batch.sentence_clip), pair.shape[-1], device=z.device)
        time = time.index_add(0, batch.pair_sentence, torch.einsum("knmt,kn,km->kt", pair, z[s], z[o]))
        time = time.index_add(0, batch.action_sentence, torch.einsum("knt,kn->kt", action, z[batch.action_subject]))
        return log_z.clamp(min=NO_CANDIDATE), self.weight[1] * centred(time, batch) + self.weight[2]

    def _context(self, batch: Tensors) -> Tensor:
        own = self.words(batch.entity_words, batch.entity_static)
        pair, action = self.predicate(batch.pair_static), self.predicate(batch.action_static)
        s, o = batch.pair_subject, batch.pair_object
        heard = torch.zeros_like(own)
        heard = heard.index_add(0, s, self.context["subject"](torch.cat([pair, own[o]], -1)))
        heard = heard.index_add(0, o, self.context["object"](torch.cat([pair, own[s]], -1)))
        alone = batch.action_subject
        heard = heard.index_add(0, alone, self.context["alone"](torch.cat([action, own[alone]], -1)))
        return own + F.relu(heard)

    def _evidence(self, batch: Tensors, f: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pair_f, action_f = (F.normalize(x.detach(), dim=-1) for x in f)
        absent = ~(batch.present & batch.frame[:, None])
        pair_text = self.pair_text[batch.pair_predicate + 1] + self.pair_static(batch.pair_static)
        action_text = self.action_text[batch.action_predicate + 1] + self.action_static(batch.action_static)
        clip = batch.sentence_clip[batch.pair_sentence]
        pair = torch.einsum("knmth,kh->knmt", pair_f[clip], pair_text)
        pair = pair.masked_fill(unusable_pairs(absent)[clip], PSI_FLOOR)
        clip = batch.sentence_clip[batch.action_sentence]
        action = torch.einsum("knth,kh->knt", action_f[clip], action_text)
        return pair, action.masked_fill(absent[clip], PSI_FLOOR)


def _log_mean_exp(x: Tensor, mask: Tensor) -> Tensor:
    """log-mean-exp of x over its last axis where mask (broadcast) holds."""
    return x.masked_fill(~mask, NO_CANDIDATE).logsumexp(-1) - mask.sum(-1).log()


def centred(evidence: Tensor, batch: Tensors) -> Tensor:
    """Evidence [S, T] measured against its own mean over the clip's frames."""
    frame = batch.frame[batch.sentence_clip]
    mean = (evidence * frame).sum(1, keepdim=True) / frame.sum(1, keepdim=True)
    return evidence - mean


def cue_evidence(cue: Tensor, geometry: Tensor, clip: Tensor, unusable: Tensor) -> Tensor:
    """What the cues of relations say: [K, ...] from cue [K, c] and geometry [V, ..., c], less its mean.

    The mean is over what is usable, so that a cue compares tubes and frames of one clip and nothing else.
    """
    told = torch.einsum("k...c,kc->k...", geometry[clip], cue)
    mask = ~unusable
    axes = tuple(range(1, told.ndim))
    mean = (told * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return told - mean


def unusable_pairs(absent: Tensor) -> Tensor:
    """Pairs of tubes [V, N, N, T] of which one is absent or both are the same."""
    same = torch.eye(absent.shape[1], dtype=torch.bool, device=absent.device)
    return absent[:, :, None] | absent[:, None] | same[..., None]
