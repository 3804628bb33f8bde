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

from vcma.model.batch import Batch
from vcma.model.motion_features import PAIR_FEATURES, SINGLE_FEATURES
from vcma.model.temporal_posterior import CELLS
from vcma.model.vocabulary import Vocabulary

PSI_FLOOR = -4.0  # lower bound of psi (nat); an absent tube or a tube in relation to itself has it
NO_CANDIDATE = -1e9  # log-probability of padding


@dataclass(frozen=True)
class Tensors:
    """A Batch as tensors on one device; same fields."""

    single: Tensor
    pair: Tensor
    present: Tensor
    frame: Tensor
    tube: Tensor
    appearance: Tensor
    sentence_clip: Tensor
    target: Tensor
    known: Tensor
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
        tensors = (torch.as_tensor(getattr(batch, f.name), device=device) for f in fields(cls))
        return cls(*(t.float() if t.dtype == torch.float16 else t for t in tensors))

    @property
    def entity_clip(self) -> Tensor:
        return self.sentence_clip[self.entity_sentence]

    @property
    def candidates(self) -> Tensor:
        """Which tubes each entity may be: bool [M, N]."""
        return self.tube[self.entity_clip]

    def over_candidates(self, score: Tensor) -> Tensor:
        """log-softmax of scores [M, N] over each entity's candidates: [M, N], NO_CANDIDATE for the others."""
        return score.masked_fill(~self.candidates, NO_CANDIDATE).log_softmax(-1).clamp(min=NO_CANDIDATE)


SINGLE, PAIR = len(SINGLE_FEATURES), len(PAIR_FEATURES)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Words(nn.Module):
    """text(.): static vectors, projected, plus learned vectors of the words seen in training."""

    def __init__(self, words: int, text: int, width: int):
        super().__init__()
        self.learned = nn.Embedding(words + 1, width, padding_idx=0)  # row 0: a word without a vector
        nn.init.normal_(self.learned.weight, std=0.1)
        with torch.no_grad():
            self.learned.weight[0] = 0
        self.project = nn.Linear(text, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, ids: Tensor, static: Tensor) -> Tensor:
        """ids int64 [M, words] (-1: none or unseen), static float [M, W] -> float [M, H]."""
        known = (ids >= 0).sum(1, keepdim=True).clamp(min=1)
        return self.project(static) + self.drop(self.learned(ids + 1).sum(1) / known)


class Emission(nn.Module):
    """p(pi | n, m, t): softmax over the training predicates and `none` of cos(f, text(pi)).

    The same class serves actions, where f sees one tube.
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
            fresh = told_by(F.normalize(f, dim=-1), text, clip[new]) * self.log_scale.exp()
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
        self.words = Words(len(vocabulary.words), vocabulary.text_width, width)
        self.vis = _mlp(vocabulary.feature + labels, width, width)
        self.tau = nn.Parameter(torch.tensor(1.0))
        # log p(b, e) in tenths of the segment: a buffer, because its M-step is closed.
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

    def similarity(self, batch: Tensors) -> Tensor:
        """cos(text(e), vis(n)) of every entity with every tube of every clip: float [M, V, N]."""
        text = F.normalize(self.words(batch.entity_words, batch.entity_static), dim=-1)
        vis = F.normalize(self.vis(batch.appearance), dim=-1)
        return torch.einsum("mh,vnh->mvn", text, vis)

    def log_prior(self, batch: Tensors, similarity: Tensor) -> Tensor:
        """log p(z_i = n | E, V): float [M, N], NO_CANDIDATE for padding."""
        own = similarity[torch.arange(len(similarity), device=similarity.device), batch.entity_clip]
        score = self.tau.exp() * own + self.label_prior * batch.entity_label
        return batch.over_candidates(score)

    def features(self, batch: Tensors) -> tuple[Tensor, Tensor]:
        """f(n, m, t) [V, N, N, T, H / 2] and f(n, t) [V, N, T, H / 2]."""
        seen = batch.single
        if self.narrow is not None:
            look = self.drop(self.narrow(batch.appearance))
            seen = torch.cat([seen, look[:, :, None].expand(-1, -1, seen.shape[2], -1)], -1)
        hidden = self.as_subject(seen)[:, :, None] + self.as_object(seen)[:, None] + self.between(batch.pair)
        return self.pair_out(F.relu(hidden)), self.alone(seen)


class Phi(nn.Module):
    """q_phi(Z | E, V): one amortised pass. Every entity reads its sentence, attends to the tubes of the clip, and
    through theta's pair representation (no gradient into theta) to the tubes and frames of its relations.
    """

    def __init__(self, vocabulary: Vocabulary, *, width: int, label_prior: float):
        super().__init__()
        labels = len(vocabulary.class_names) + len(vocabulary.attribute_names)
        inner = width // 2
        self.words = Words(len(vocabulary.words), vocabulary.text_width, width)
        self.predicate = nn.Linear(vocabulary.text_width, width)
        self.context = nn.ModuleDict({role: nn.Linear(2 * width, width) for role in ("subject", "object", "alone")})
        self.vis = _mlp(vocabulary.feature + labels + 2 * SINGLE, width, width)
        self.label_prior = nn.Parameter(torch.tensor(float(label_prior)))
        self.pair_text = nn.Parameter(torch.zeros(len(vocabulary.pairs) + 1, inner))
        self.action_text = nn.Parameter(torch.zeros(len(vocabulary.actions) + 1, inner))
        self.pair_static = nn.Linear(vocabulary.text_width, inner)
        self.action_static = nn.Linear(vocabulary.text_width, inner)
        self.weight = nn.Parameter(torch.tensor([1.0, 1.0, 0.0]))  # relation on z, relation on y, offset of y
        self.scale = width**-0.5

    def forward(self, batch: Tensors, f: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """log q(z_i = n) [M, N] and the log-odds of q(y_t) [S, T]."""
        text = self._context(batch)
        single = batch.single
        frame = batch.frame[:, None, :, None]
        count = frame.sum(2)
        mean = (single * frame).sum(2) / count
        spread = torch.cat([mean, (((single - mean[:, :, None]) ** 2 * frame).sum(2) / count + 1e-6).sqrt()], -1)
        vis = self.vis(torch.cat([batch.appearance, spread], -1))
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
        pair = told_by(pair_f, pair_text, clip).masked_fill(unusable_pairs(absent)[clip], PSI_FLOOR)
        clip = batch.sentence_clip[batch.action_sentence]
        action = told_by(action_f, action_text, clip).masked_fill(absent[clip], PSI_FLOOR)
        return pair, action


def _log_mean_exp(x: Tensor, mask: Tensor) -> Tensor:
    """log-mean-exp of x over its last axis where mask (broadcast) holds."""
    return x.masked_fill(~mask, NO_CANDIDATE).logsumexp(-1) - mask.sum(-1).log()


def told_by(seen: Tensor, text: Tensor, clip: Tensor) -> Tensor:
    """What each relation's vector says of every place of its own clip: [K, ...] from seen [V, ..., H], text [K, H]
    and clip [K], which must not fall. No clip is copied for its relations.
    """
    count = torch.bincount(clip, minlength=len(seen))
    slot = torch.arange(len(clip), device=clip.device) - (count.cumsum(0) - count)[clip]
    padded = text.new_zeros(len(seen), int(count.max()), text.shape[1]).index_put((clip, slot), text)
    told = torch.bmm(padded, seen.flatten(1, -2).transpose(1, 2))
    return told[clip, slot].view(-1, *seen.shape[1:-1])


def centred(evidence: Tensor, batch: Tensors) -> Tensor:
    """Evidence [S, T] measured against its own mean over the clip's frames."""
    frame = batch.frame[batch.sentence_clip]
    mean = (evidence * frame).sum(1, keepdim=True) / frame.sum(1, keepdim=True)
    return evidence - mean


def cue_evidence(cue: Tensor, geometry: Tensor, clip: Tensor, unusable: Tensor) -> Tensor:
    """What the cues of relations say: [K, ...] from cue [K, c] and geometry [V, ..., c], less its mean.

    The mean is over what is usable, so that a cue compares tubes and frames of one clip and nothing else.
    """
    told = told_by(geometry, cue, clip)
    mask = ~unusable
    axes = tuple(range(1, told.ndim))
    mean = (told * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True).clamp(min=1)
    return told - mean


def unusable_pairs(absent: Tensor) -> Tensor:
    """Pairs of tubes [V, N, N, T] of which one is absent or both are the same."""
    same = torch.eye(absent.shape[1], dtype=torch.bool, device=absent.device)
    return absent[:, :, None] | absent[:, None] | same[..., None]
