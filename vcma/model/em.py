"""Variational EM: the posterior q over which tube each entity is and which frames show the sentence.

    q(Z)  = prod_i q(z_i) prod_t q(y_t)                                              [S, eq. 3]
    F(q)  = sum_i { E_q[log p(z_i | E, V)] + H[q(z_i)] }                             [S, eq. 5]
            + gamma sum_t { E_q[log p(y_t)] + H[q(y_t)] + beta q(y_t = 1) sum_k E_q[psi_k] }
    log q(z_i = n)  = log p(z_i = n) + beta gamma sum_t q(y_t) E_{z_o}[psi_k] + const     [S, eq. 6]
    log-odds q(y_t) = a + beta sum_k E[psi_k]                                        [S, eq. 7]

with psi_k = log p(pi_k | n, m, t) - log p0(pi_k), plus what the predicate's words say of geometry (relation_cues,
of weight relation_prior, 0 = the paper), and gamma = kappa / T, because neighbouring frames are no independent
evidence. That is the paper's q(y), time: frames. With time: span, y is one contiguous interval of frames and q(y) a
distribution over intervals, updated as exactly (temporal_posterior); the rest of F stays as it is. The offset a is
measured against the video's own mean evidence and a margin, so that time is judged relative to the video; it is
refreshed between E-steps and held within one, so that F stays an objective.
[S] is the paper's supplement. This module reads top to bottom as the derivation: posterior, F, E-step, M-step, fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vcma.model.batch import Batch
from vcma.model.networks import NO_CANDIDATE, PSI_FLOOR, Phi, Tensors, Theta, cue_evidence, unusable_pairs
from vcma.model.temporal_posterior import CELLS, FAMILIES, NEVER, Frames, Spans, Time, Whole, cell_counts, run_prior
from vcma.model.vocabulary import Vocabulary

_SMOOTH = 0.5  # pseudo-count of a cell of p(b, e), in mean counts of a cell


@dataclass(frozen=True)
class Settings:
    """How the model is built and trained; the keys of `train_em:` in pipeline.yaml, where each is explained."""

    beta: float
    kappa: float
    label_prior: float
    relation_prior: float
    time: str
    margin: float
    width: int
    bottleneck: int
    dropout: float
    refinements: int
    none_weight: float
    contrast_weight: float
    learning_rate: float
    weight_decay: float
    batch_clips: int
    warm_up: int
    rounds: int
    patience: int
    stop: str
    text: str
    train_frames: int
    seed: int

    @classmethod
    def of(cls, values: dict[str, Any]) -> Settings:
        """Pick the settings out of a larger mapping."""
        return cls(**{f.name: values[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class Model:
    """theta and phi with the vocabulary they were built for."""

    theta: Theta
    phi: Phi
    vocabulary: Vocabulary
    settings: Settings

    def to(self, device: str) -> Model:
        return replace(self, theta=self.theta.to(device), phi=self.phi.to(device))


def build(vocabulary: Vocabulary, static: Callable[[tuple[str, ...]], np.ndarray], settings: Settings) -> Model:
    """A model with fresh parameters, which follow from settings.seed. static(texts) are their text features."""
    # Two threads on contended cores are far slower than one, and one gives the same bytes everywhere.
    torch.set_num_threads(1)
    torch.manual_seed(settings.seed)
    theta = Theta(
        vocabulary,
        width=settings.width,
        bottleneck=settings.bottleneck,
        dropout=settings.dropout,
        label_prior=settings.label_prior,
    )
    for emission, names in ((theta.pair, vocabulary.pairs), (theta.action, vocabulary.actions)):
        emission.static.copy_(torch.as_tensor(static(names)))
    return Model(
        theta, Phi(vocabulary, width=settings.width, label_prior=settings.label_prior), vocabulary, settings
    )


@dataclass(frozen=True)
class Evidence:
    """What theta says of a batch, with everything the updates need and no parameter of the model.

    log_prior [M, N]; pair psi [K, N, N, T] and action psi [L, N, T] (nat); time, what is known of y before.
    """

    log_prior: Tensor
    pair: Tensor
    action: Tensor
    time: Time
    beta: float
    margin: float
    family: type[Spans] | type[Frames] | type[Whole]

    @property
    def frame(self) -> Tensor:
        return self.time.frame

    @property
    def gamma(self) -> Tensor:
        return self.time.gamma


@dataclass(frozen=True)
class Posterior:
    """q(Z): log q(z_i = n) [M, N], q(y) by its family, and the offset a [S, 1] of its prior."""

    log_z: Tensor
    time: Spans | Frames | Whole
    a: Tensor

    @property
    def z(self) -> Tensor:
        return self.log_z.exp()

    @property
    def y(self) -> Tensor:
        return self.time.y


@dataclass(frozen=True)
class Seen:
    """One forward pass of theta over a batch."""

    similarity: Tensor
    f: tuple[Tensor, Tensor]  # of pairs and of single tubes
    evidence: Evidence


def look(model: Model, batch: Tensors) -> Seen:
    """Run theta on a batch."""
    theta = model.theta
    similarity = theta.similarity(batch)
    f = theta.features(batch)
    clip = batch.sentence_clip
    pair = theta.pair(f[0], clip[batch.pair_sentence], batch.pair_predicate, batch.pair_static)
    action = theta.action(f[1], clip[batch.action_sentence], batch.action_predicate, batch.action_static)
    log_prior = theta.log_prior(batch, similarity)
    return Seen(
        similarity, f, _evidence(model.settings, batch, log_prior, _ratio(*pair), _ratio(*action), theta.runs)
    )


def look_untrained(settings: Settings, batch: Tensors) -> Evidence:
    """What is known before any training: the detector's labels and the cues.

    Cues are little trusted, and a sentence may show throughout (which only runs can say); one without a relation
    does, for all one knows. Both numbers are from the drawn world's validation and 34 sentences of two real videos.
    """
    nothing = torch.zeros((), device=batch.frame.device)
    log_prior = batch.over_candidates(settings.label_prior * batch.entity_label)
    trusted = replace(settings, kappa=min(settings.kappa, _TRUST))
    e = _evidence(trusted, batch, log_prior, nothing, nothing, batch.single.new_zeros(CELLS, CELLS))
    throughout = torch.where(_tells(batch), _THROUGHOUT, 1.0)
    runs = e.time.log_prior + (1 - throughout).log().clamp(min=NEVER)[:, None, None]
    row, end = torch.arange(len(runs), device=runs.device), e.frame.sum(1)
    runs[row, 0, end] = torch.logaddexp(runs[row, 0, end], throughout.log())
    return replace(e, time=replace(e.time, log_prior=runs))


_TRUST = 2.0  # kappa of what has not been trained
_THROUGHOUT = 0.3  # how often a sentence shows in all of its segment


def _tells(batch: Tensors) -> Tensor:
    """Which sentences tell a relation: bool [S]."""
    told = torch.zeros_like(batch.sentence_clip, dtype=torch.bool)
    told[batch.pair_sentence] = told[batch.action_sentence] = True
    return told


def _evidence(
    settings: Settings, batch: Tensors, log_prior: Tensor, pair: Tensor, action: Tensor, runs: Tensor
) -> Evidence:
    """pair [K, N, N, T], action [L, N, T]: log p - log p0 of the emission; the cues are added."""
    clip = batch.sentence_clip
    of_pair, of_action = clip[batch.pair_sentence], clip[batch.action_sentence]
    absent = ~(batch.present & batch.frame[:, None])
    frame = batch.frame[clip]
    apart, alone = unusable_pairs(absent)[of_pair], absent[of_action]
    pair = pair + settings.relation_prior * cue_evidence(batch.pair_cue, batch.pair, of_pair, apart)
    action = action + settings.relation_prior * cue_evidence(batch.action_cue, batch.single, of_action, alone)
    return Evidence(
        log_prior=log_prior,
        pair=pair.clamp(min=PSI_FLOOR).masked_fill(apart, PSI_FLOOR),
        action=action.clamp(min=PSI_FLOOR).masked_fill(alone, PSI_FLOOR),
        time=Time(frame, settings.kappa / frame.sum(1), run_prior(frame, runs)),
        beta=settings.beta,
        margin=settings.margin,
        family=FAMILIES[settings.time],
    )


def _ratio(log_p: Tensor, log_p0: Tensor) -> Tensor:
    return log_p - log_p0.view(-1, *[1] * (log_p.ndim - 1))


# --- the E-step ------------------------------------------------------------------------------------------------


def by_relation(e: Evidence, batch: Tensors, z: Tensor) -> tuple[Tensor, Tensor]:
    """E_q[psi_k] of every relation and frame: pairs [K, T] and actions [L, T] for q(z) [M, N]."""
    pair = torch.einsum("knmt,kn,km->kt", e.pair, z[batch.pair_subject], z[batch.pair_object])
    return pair, torch.einsum("knt,kn->kt", e.action, z[batch.action_subject])


def expected(e: Evidence, batch: Tensors, z: Tensor) -> Tensor:
    """sum_k E_q[psi_k] of every frame: [S, T] for q(z) [M, N]."""
    pair, action = by_relation(e, batch, z)
    total = torch.zeros_like(e.frame, dtype=z.dtype)
    return total.index_add(0, batch.pair_sentence, pair).index_add(0, batch.action_sentence, action)


def offset(e: Evidence, batch: Tensors, z: Tensor) -> Tensor:
    """a [S, 1]: minus beta times the video's mean evidence under q(z) and, where a relation is told, the margin."""
    evidence = expected(e, batch, z)
    mean = (evidence * e.frame).sum(1, keepdim=True) / e.frame.sum(1, keepdim=True)
    return -e.beta * (mean + e.margin * _tells(batch)[:, None])


@dataclass(frozen=True)
class Messages:
    """Evidence summed over time under q(y): of pairs [K, N, N] and of actions [L, N], weighted by beta gamma."""

    pair: Tensor
    action: Tensor

    @classmethod
    def of(cls, e: Evidence, batch: Tensors, y: Tensor) -> Messages:
        weighted = (e.beta * e.gamma)[:, None] * y * e.frame
        return cls(
            torch.einsum("knmt,kt->knm", e.pair, weighted[batch.pair_sentence]),
            torch.einsum("knt,kt->kn", e.action, weighted[batch.action_sentence]),
        )


def update_z(e: Evidence, batch: Tensors, q: Posterior, messages: Messages, rank: int) -> Posterior:
    """The coordinate update of entity number `rank` of every sentence [S, eq. 6]; no sentence's F falls.

    messages are those of q(y), the same for every rank.
    """
    z, subject, other = q.z, batch.pair_subject, batch.pair_object
    score = e.log_prior
    score = score.index_add(0, subject, torch.einsum("knm,km->kn", messages.pair, z[other]))
    score = score.index_add(0, other, torch.einsum("knm,kn->km", messages.pair, z[subject]))
    score = score.index_add(0, batch.action_subject, messages.action)
    fresh = batch.over_candidates(score)
    return replace(q, log_z=torch.where((batch.entity_rank == rank)[:, None], fresh, q.log_z))


def update_y(e: Evidence, batch: Tensors, q: Posterior) -> Posterior:
    """The coordinate update of y given q(z) [S, eq. 7]; F never falls."""
    return replace(q, time=e.family.updated(e.time, q.a, e.beta * expected(e, batch, q.z)))


def e_step(e: Evidence, batch: Tensors, start: Posterior, rounds: int) -> Posterior:
    """`rounds` sweeps of coordinate updates from `start`, over every z_i and then all y_t, with a held fixed."""
    q = start
    ranks = int(batch.entity_rank.max()) + 1 if len(batch.entity_rank) else 0
    for _ in range(rounds):
        messages = Messages.of(e, batch, q.y)
        for rank in range(ranks):
            q = update_z(e, batch, q, messages, rank)
        q = update_y(e, batch, q)
    return q


def objective(e: Evidence, batch: Tensors, q: Posterior) -> Tensor:
    """F of every sentence [S], in nat: the tempered ELBO, up to log p0(R).

    Its values compare only at equal beta, kappa, margin, priors and family. Exact ELBO at gamma = beta = 1.
    """
    z = q.z
    about_z = (z * (e.log_prior - q.log_z)).masked_fill(~batch.candidates, 0).sum(1)
    F_z = torch.zeros(len(e.frame), device=z.device).index_add(0, batch.entity_sentence, about_z)
    told = e.gamma * e.beta * (q.y * expected(e, batch, z) * e.frame).sum(1)
    return F_z + q.time.bound + told


def infer(model: Model, batch: Tensors, seen: Seen) -> tuple[Posterior, Posterior]:
    """(p, q): p_theta(Z | E, R, V) by coordinate updates from q_phi, and q_phi(Z | E, V) as it is. No gradient.

    Mean-field has local optima: the updates start from q_phi and from the prior, and the higher F is kept.
    """
    with torch.no_grad():
        e = _told(seen.evidence, batch)
        q = amortised(model, batch, seen)
        if model.settings.refinements == 0:
            return q, q
        found = [_refined(e, batch, log_z, model.settings.refinements) for log_z in (q.log_z, e.log_prior)]
        first = objective(e, batch, found[1]) > objective(e, batch, found[0])
        entity = first[batch.entity_sentence][:, None]
        chosen = Posterior(
            torch.where(entity, found[1].log_z, found[0].log_z),
            found[1].time.chosen(first, found[0].time),  # type: ignore[arg-type]
            torch.where(first[:, None], found[1].a, found[0].a),
        )
        return chosen, q


def _told(e: Evidence, batch: Tensors) -> Evidence:
    """Evidence with what is known of the truth as a prior that rules the rest out; known nowhere but for the
    supervised ceiling."""
    if not (batch.known >= 0).any():
        return e
    tube, begin, end = batch.known.T
    log_prior, runs = e.log_prior.clone(), e.time.log_prior.clone()
    known = tube >= 0
    log_prior[batch.target[known]] = NO_CANDIDATE
    log_prior[batch.target[known], tube[known]] = 0
    timed = begin >= 0
    runs[timed] = NEVER
    runs[timed.nonzero()[:, 0], begin[timed], end[timed]] = 0
    return replace(e, log_prior=log_prior, time=replace(e.time, log_prior=runs))


def _refined(e: Evidence, batch: Tensors, log_z: Tensor, rounds: int) -> Posterior:
    # Two halves, because a is refreshed between E-steps: the second judges time by the tubes the first has found.
    for _ in range(2):
        a = offset(e, batch, log_z.exp())
        q = update_y(e, batch, Posterior(log_z, Whole(e.time), a))
        q = e_step(e, batch, q, rounds)
        log_z = q.log_z
    return q


def amortised(model: Model, batch: Tensors, seen: Seen) -> Posterior:
    """q_phi(Z | E, V), with gradient into phi alone."""
    f, e = (seen.f[0].detach(), seen.f[1].detach()), seen.evidence
    log_z, log_odds = model.phi(batch, f)
    a = torch.zeros_like(log_odds[:, :1])
    return Posterior(log_z, e.family.updated(e.time, a, log_odds), a)


# --- the M-step ------------------------------------------------------------------------------------------------


def expected_log_joint(seen: Seen, batch: Tensors, q: Posterior) -> Tensor:
    """E_q[log p(Z | E, V) + log p(R | Z, E, V)] summed over the batch, up to what theta cannot change."""
    e, z, y = seen.evidence, q.z, q.y * seen.evidence.frame
    prior = (z * e.log_prior.clamp(min=-50)).sum()
    weight = (e.beta * e.gamma)[:, None] * y
    pair, action = by_relation(e, batch, z)
    return prior + (pair * weight[batch.pair_sentence]).sum() + (action * weight[batch.action_sentence]).sum()


def none_loss(model: Model, seen: Seen, batch: Tensors) -> Tensor:
    """-log p(none) on random pairs and frames of the batch: what is not told of must be taught to say nothing."""
    usable = batch.present & batch.frame[:, None]
    pairs = ~unusable_pairs(~usable)
    loss = torch.zeros((), device=batch.frame.device)
    for emission, f, mask in ((model.theta.pair, seen.f[0], pairs), (model.theta.action, seen.f[1], usable)):
        rows = f[mask]
        if len(rows) and len(emission.base):
            some = torch.randint(len(rows), (min(len(rows), 2048),), device=rows.device)
            loss = loss - emission.log_none(rows[some]).mean()
    return loss


def contrast_loss(similarity: Tensor, batch: Tensors, scale: Tensor) -> Tensor:
    """Which clip of the batch does the phrase come from, by the log-mean-exp over its tubes (InfoNCE).

    A clip where the same phrase occurs is no negative. 0 where the batch has one clip.
    """
    V = len(batch.tube)
    score = (similarity * scale.exp()).masked_fill(~batch.tube[None], NO_CANDIDATE)
    score = score.logsumexp(-1) - batch.tube.sum(1).log()
    own = F.one_hot(batch.entity_clip, V).bool()
    has = torch.zeros(int(batch.phrase.max()) + 1, V, dtype=torch.bool, device=score.device)
    has[batch.phrase, batch.entity_clip] = True
    score = score.masked_fill(has[batch.phrase] & ~own, NO_CANDIDATE)
    return F.cross_entropy(score, batch.entity_clip)


def amortisation_loss(model: Model, seen: Seen, batch: Tensors, q: Posterior, with_time: bool) -> Tensor:
    """Cross-entropy from q* to q_phi, over entities and (unless warming up) over frames."""
    guess = amortised(model, batch, seen)
    loss = -(q.z * guess.log_z.clamp(min=-50)).sum(1).mean()
    return loss + q.time.cross_entropy(guess.time) if with_time else loss  # type: ignore[arg-type]


# --- the fit ---------------------------------------------------------------------------------------------------


@dataclass
class Trainer:
    """The two optimisers, and the running mean of the parameters over about one epoch of `steps`, which is what is
    validated and kept; `state` and `load` make a killed run end as an uninterrupted one would.
    """

    model: Model
    steps: int = 100

    def __post_init__(self) -> None:
        s = self.model.settings
        both = torch.nn.ModuleList([self.model.theta, self.model.phi])
        self.average = AveragedModel(both, multi_avg_fn=get_ema_multi_avg_fn(1 - 1 / max(self.steps, 2)))
        self.theta, self.phi = (
            torch.optim.AdamW(module.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
            for module in (self.model.theta, self.model.phi)
        )

    @property
    def mean(self) -> Model:
        """The model with the running mean of the parameters."""
        theta, phi = cast(torch.nn.ModuleList, self.average.module)
        return replace(self.model, theta=cast(Theta, theta), phi=cast(Phi, phi))

    def epoch(self, batches: Iterable[Batch], number: int, device: str) -> dict[str, float]:
        """One pass of EM, or of warm-up while number < settings.warm_up; returns the mean of every term.

        Its randomness follows from the seed and its number alone.
        """
        settings = self.model.settings
        torch.manual_seed(settings.seed * 100_003 + number)
        self.model.theta.train()
        self.model.phi.train()
        totals: dict[str, float] = {}
        sentences = 0
        runs = torch.zeros_like(self.model.theta.runs)
        for batch in batches:
            terms, counts = self._step(Tensors.of(batch, device), number < settings.warm_up)
            runs += counts
            for name, value in terms.items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(batch.sentence_clip)
            sentences += len(batch.sentence_clip)
        if runs.any():
            # Expected counts, smoothed towards knowing nothing: the closed M-step of p(b, e) where the offset a is
            # taken for a constraint on q(y) rather than for a part of p. So the margin tells again in every round.
            self.model.theta.runs.copy_((runs + _SMOOTH * runs.mean()).log())
            self.mean.theta.runs.copy_(self.model.theta.runs)
        return {name: value / max(sentences, 1) for name, value in totals.items()}

    def _step(self, batch: Tensors, warming_up: bool) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of one step of both optimisers, and the expected counts of p(b, e)."""
        model, s = self.model, self.model.settings
        counts = torch.zeros_like(model.theta.runs)
        seen = look(model, batch)
        contrast = contrast_loss(seen.similarity, batch, model.theta.tau)
        none = none_loss(model, seen, batch)
        if warming_up:
            # Nothing to align yet: q* is the prior, which is what q_phi should start from.
            e = seen.evidence
            q = Posterior(e.log_prior.detach(), Whole(e.time), e.log_prior.new_zeros(len(e.frame), 1))
            loss = contrast
        else:
            q, _ = infer(model, batch, seen)
            if isinstance(q.time, Spans):
                counts = cell_counts(q.time.log_q.exp(), seen.evidence.frame)
            joint = expected_log_joint(seen, batch, q) / len(batch.sentence_clip)
            loss = s.contrast_weight * contrast + s.none_weight * none - joint
        amortisation = amortisation_loss(model, seen, batch, q, with_time=not warming_up)
        self.theta.zero_grad()
        self.phi.zero_grad()
        (loss + amortisation).backward()
        for optimiser, module in ((self.theta, model.theta), (self.phi, model.phi)):
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
        self.average.update_parameters(torch.nn.ModuleList([model.theta, model.phi]))
        with torch.no_grad():
            elbo = objective(_detached(seen.evidence), batch, q).mean()
        terms = {"elbo": elbo, "contrast": contrast, "none": none, "kl": amortisation}
        return {name: value.detach() for name, value in terms.items()}, counts

    def parameters(self) -> dict[str, Tensor]:
        """A copy of the mean parameters as flat tensors."""
        return _flat({"theta": self.mean.theta, "phi": self.mean.phi})

    def state(self) -> dict[str, Tensor]:
        """Parameters, their mean and optimiser moments as flat tensors."""
        found = _flat({"theta": self.model.theta, "phi": self.model.phi, "average": self.average})
        for name, _, optimiser in self._parts():
            for i, moments in optimiser.state_dict()["state"].items():
                found |= {f"{name}.optimiser.{i}.{key}": value for key, value in moments.items()}
        return found

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from `state`; raises KeyError or RuntimeError if it belongs to another model."""
        self.restore(state)
        self.average.load_state_dict(_part(state, "average"))
        for name, _, optimiser in self._parts():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                if key.startswith(f"{name}.optimiser."):
                    _, _, i, moment = key.split(".")
                    moments.setdefault(int(i), {})[moment] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})

    def restore(self, parameters: dict[str, Tensor]) -> None:
        """Set the parameters from a copy."""
        for name, module, _ in self._parts():
            module.load_state_dict(_part(parameters, name))

    def _parts(self) -> Iterator[tuple[str, torch.nn.Module, torch.optim.Optimizer]]:
        yield "theta", self.model.theta, self.theta
        yield "phi", self.model.phi, self.phi


def _flat(modules: dict[str, torch.nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}.model.{key}": value.detach().clone().contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def _part(flat: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    head = f"{name}.model."
    return {key.removeprefix(head): value for key, value in flat.items() if key.startswith(head)}


def fit(
    trainer: Trainer,
    batches: Callable[[int], Iterable[Batch]],
    score: Callable[[Model], tuple[float, float]],
    keep: Callable[[list[dict[str, float]]], None],
    history: list[dict[str, float]],
    device: str,
) -> list[dict[str, float]]:
    """Train until the rounds are done or the score has not risen for `patience` rounds; returns the history.

    batches(number) are the batches of one pass; score(model) is the validation score of p and of q, NaN where
    nothing is known; keep(history) is called after every pass and stores what a resumed or finished run needs, the
    pass to keep having `best` set. What must rise is p's score, or the ELBO (settings.stop `elbo`), or the round
    itself (`rounds`). history: the passes that a killed run has done.
    """
    settings = trainer.model.settings
    history = list(history)
    while len(history) < settings.warm_up + settings.rounds and not _at_rest(history, settings):
        number = len(history)
        terms = trainer.epoch(batches(number), number, device)
        p, q = score(trainer.mean)
        row = {"round": number - settings.warm_up + 1, "score_p": p, "score_q": q, **terms}
        rising = {"val": p, "elbo": terms.get("elbo", np.nan), "rounds": float(number)}[settings.stop]
        row["rising"] = float(number) if np.isnan(rising) else rising
        before = [h["rising"] for h in history if h["round"] > 0]
        row["best"] = number >= settings.warm_up and row["rising"] > max(before, default=-np.inf)
        history.append(row)
        keep(history)
    return history


def _at_rest(history: list[dict[str, float]], settings: Settings) -> bool:
    rounds = [h for h in history if h["round"] > 0]
    since = next((i for i, h in enumerate(reversed(rounds)) if h["best"]), 0)
    return since >= settings.patience


def fit_contrast(model: Model, batches: Callable[[int], Iterable[Batch]], device: str) -> None:
    """The baseline without EM: theta's phrase-video contrast alone, for as many epochs as the full model."""
    settings = model.settings
    optimiser = torch.optim.AdamW(
        model.theta.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    model.theta.train()
    for number in range(settings.warm_up + settings.rounds):
        torch.manual_seed(settings.seed * 100_003 + number)
        for batch in batches(number):
            tensors = Tensors.of(batch, device)
            similarity = model.theta.similarity(tensors)
            optimiser.zero_grad()
            contrast_loss(similarity, tensors, model.theta.tau).backward()
            torch.nn.utils.clip_grad_norm_(model.theta.parameters(), 1.0)
            optimiser.step()


def log_prior(model: Model, batch: Batch, device: str) -> list[np.ndarray]:
    """log p(z_i = n | E, V) of every sentence of a batch, [M, N] each: what is known without a relation."""
    model.theta.eval()
    with torch.no_grad():
        tensors = Tensors.of(batch, device)
        prior = model.theta.log_prior(tensors, model.theta.similarity(tensors)).cpu().numpy()
    tubes = batch.tube.sum(1)[batch.sentence_clip]
    return [prior[batch.entity_sentence == s][:, :n] for s, n in enumerate(tubes)]


def _detached(e: Evidence) -> Evidence:
    return replace(e, log_prior=e.log_prior.detach(), pair=e.pair.detach(), action=e.action.detach())


@dataclass(frozen=True)
class Grounding:
    """The posteriors of one sentence: log q(z_i = n) [M, N], q(y_t = 1) [T], log q(b, e) of the runs of frames
    [T + 1, T + 1], and for each relation, in the order pairs then actions, psi under q(z) [relations, T].
    NumPy, float32, without padding.
    """

    log_z: np.ndarray
    y: np.ndarray
    runs: np.ndarray
    evidence: np.ndarray


def ground(model: Model, batch: Batch, device: str) -> Iterator[tuple[Grounding, Grounding]]:
    """(p, q) for every sentence of a batch, in its order."""
    model.theta.eval()
    model.phi.eval()
    with torch.no_grad():
        tensors = Tensors.of(batch, device)
        seen = look(model, tensors)
        both = [_untangled(tensors, seen.evidence, q) for q in infer(model, tensors, seen)]
    yield from zip(*both, strict=True)


def ground_untrained(settings: Settings, batch: Batch, device: str) -> list[Grounding]:
    """The posterior of every sentence of a batch by labels and cues alone, as an E-step finds it."""
    with torch.no_grad():
        tensors = Tensors.of(batch, device)
        e = look_untrained(settings, tensors)
        return _untangled(tensors, e, _refined(e, tensors, e.log_prior, settings.refinements))


def _untangled(batch: Tensors, e: Evidence, q: Posterior) -> list[Grounding]:
    pair, action = (told.cpu().numpy() for told in by_relation(e, batch, q.z))
    log_z, y, runs = (x.cpu().numpy() for x in (q.log_z, q.y, q.time.runs))
    owner = batch.entity_sentence.cpu().numpy()
    pair_owner, action_owner = batch.pair_sentence.cpu().numpy(), batch.action_sentence.cpu().numpy()
    found = []
    for s, clip in enumerate(batch.sentence_clip.tolist()):
        n, t = int(batch.tube[clip].sum()), int(batch.frame[clip].sum())
        evidence = np.concatenate([pair[pair_owner == s], action[action_owner == s]])
        found.append(Grounding(log_z[owner == s][:, :n], y[s, :t], runs[s, : t + 1, : t + 1], evidence[:, :t]))
    return found
