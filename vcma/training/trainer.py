"""Training: rounds of variational EM, and contrastive training only, the baseline without EM."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vcma.batching.staging import on_device
from vcma.model.batch import Batch
from vcma.model.em import Posterior, infer, objective
from vcma.model.evidence import Model, forward
from vcma.model.losses import amortisation_loss, background_loss, contrast_loss, expected_log_joint
from vcma.model.networks import Phi, Theta
from vcma.model.settings import Settings
from vcma.model.temporal_posterior import Spans, Whole, cell_counts

History = list[dict[str, float]]  # one row per epoch

_SMOOTH = 0.5  # pseudo-count of a cell of p(b, e), relative to the mean count


@dataclass
class Trainer:
    """Optimisers of theta and phi, and an exponential moving average (EMA) of the parameters.

    The EMA, over about one epoch of `steps` steps, is what is validated and saved. `state` and `load` make a
    resumed run equal to an uninterrupted one.
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
    def ema(self) -> Model:
        """Model with the EMA of the parameters."""
        theta, phi = cast(torch.nn.ModuleList, self.average.module)
        return replace(self.model, theta=cast(Theta, theta), phi=cast(Phi, phi))

    def epoch(self, batches: Iterable[Batch], number: int, device: str) -> dict[str, float]:
        """Run one epoch of EM, or of warm-up if number < settings.warm_up; returns mean loss terms.

        Deterministic given the seed and the number of the epoch.
        """
        settings = self.model.settings
        torch.manual_seed(settings.seed * 100_003 + number)
        self.model.theta.train()
        self.model.phi.train()
        names: list[str] = []
        steps: list[Tensor] = []  # loss terms, read at the end because reading synchronises with the device
        sizes: list[int] = []
        intervals = torch.zeros_like(self.model.theta.runs)
        for batch in on_device(batches, device):
            terms, counts = self._step(batch, number < settings.warm_up)
            intervals += counts
            names = list(terms)
            steps.append(torch.stack(list(terms.values())))
            sizes.append(len(batch.sentence_clip))
        if intervals.any():
            # Closed-form M-step of p(b, e): expected counts, smoothed towards the uniform distribution. The offset
            # is treated as a constraint on q(y), not as part of p, so that the margin has an effect in every round.
            self.model.theta.runs.copy_((intervals + _SMOOTH * intervals.mean()).log())
            self.ema.theta.runs.copy_(self.model.theta.runs)
        totals = dict.fromkeys(names, 0.0)
        for size, values in zip(sizes, torch.stack(steps).tolist() if steps else [], strict=True):
            for name, value in zip(names, values, strict=True):
                totals[name] += value * size
        return {name: total / sum(sizes) for name, total in totals.items()}

    def _step(self, batch: Batch, warming_up: bool) -> tuple[dict[str, Tensor], Tensor]:
        """Run one step of both optimisers; returns the loss terms and the expected counts of p(b, e)."""
        model, s = self.model, self.model.settings
        counts = torch.zeros_like(model.theta.runs)
        output = forward(model, batch)
        contrast = contrast_loss(output.similarity, batch, model.theta.tau)
        background = background_loss(model, output, batch)
        if warming_up:
            # No alignment yet: q* is the prior, from which q_phi should start.
            e = output.evidence
            q = Posterior(e.log_prior.detach(), Whole(e.time), e.log_prior.new_zeros(len(e.frame), 1))
            loss = contrast
        else:
            q, _ = infer(model, batch, output)
            if isinstance(q.time, Spans):
                counts = cell_counts(q.time.log_q.exp(), output.evidence.frame)
            joint = expected_log_joint(output, batch, q) / len(batch.sentence_clip)
            loss = s.contrast_weight * contrast + s.none_weight * background - joint
        amortisation = amortisation_loss(model, output, batch, q, with_time=not warming_up)
        self.theta.zero_grad()
        self.phi.zero_grad()
        (loss + amortisation).backward()
        for optimiser, module in ((self.theta, model.theta), (self.phi, model.phi)):
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimiser.step()
        self.average.update_parameters(torch.nn.ModuleList([model.theta, model.phi]))
        with torch.no_grad():
            elbo = objective(output.evidence.detached(), batch, q).mean()
        terms = {"elbo": elbo, "contrast": contrast, "none": background, "cross_entropy": amortisation}
        return {name: value.detach() for name, value in terms.items()}, counts

    def parameters(self) -> dict[str, Tensor]:
        """Return a copy of the EMA of the parameters as flat tensors."""
        return _flat({"theta": self.ema.theta, "phi": self.ema.phi})

    def state(self) -> dict[str, Tensor]:
        """Return parameters, their EMA and optimiser moments as flat tensors."""
        found = _flat({"theta": self.model.theta, "phi": self.model.phi, "average": self.average})
        for name, _, optimiser in self._parts():
            for i, moments in optimiser.state_dict()["state"].items():
                found |= {f"{name}.optimiser.{i}.{key}": value for key, value in moments.items()}
        return found

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore a `state`; raises KeyError or RuntimeError if it belongs to another model."""
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
        """Set the parameters from a copy by `parameters`."""
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
    score: Callable[[Model], Mapping[str, float]],
    keep: Callable[[History], None],
    history: History,
    device: str,
) -> History:
    """Train with early stopping: until all rounds are done, or for `patience` rounds without improvement.

    batches(number): batches of an epoch. score(model): validation scores, at least `score_p` and `score_q`, NaN
    without annotations. keep(history): called after every epoch, to store checkpoints; the row of the best epoch so
    far has `best` set. The early-stopping metric is p's score, the ELBO (settings.stop `elbo`) or the number of the
    round (`rounds`, never stops early); with p's score, the state after the warm-up is kept if no round of EM is
    better. history: epochs of the interrupted run. Returns the history.
    """
    settings = trainer.model.settings
    history = list(history)
    while len(history) < settings.warm_up + settings.rounds and not _at_rest(history, settings):
        number = len(history)
        terms = trainer.epoch(batches(number), number, device)
        row = {"round": number - settings.warm_up + 1, **score(trainer.ema), **terms}
        rising = {"val": row["score_p"], "elbo": row["elbo"], "rounds": float(number)}[settings.stop]
        row["rising"] = float(number) if np.isnan(rising) else rising
        # The ELBO after the warm-up is computed with a different q and is not comparable with that of a round.
        first = 0 if settings.stop == "val" else 1
        before = [h["rising"] for h in history if h["round"] >= first]
        row["best"] = row["round"] >= first and row["rising"] > max(before, default=-np.inf)
        history.append(row)
        keep(history)
    return history


def _at_rest(history: History, settings: Settings) -> bool:
    rounds = [h for h in history if h["round"] >= 0]
    since = next((i for i, h in enumerate(reversed(rounds)) if h["best"]), 0)
    return since >= settings.patience


def fit_contrast(model: Model, batches: Callable[[int], Iterable[Batch]], device: str) -> None:
    """Train the baseline without EM: theta's phrase-video contrast only, for the full model's number of epochs."""
    settings = model.settings
    optimiser = torch.optim.AdamW(
        model.theta.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    model.theta.train()
    for number in range(settings.warm_up + settings.rounds):
        torch.manual_seed(settings.seed * 100_003 + number)
        for tensors in on_device(batches(number), device):
            similarity = model.theta.similarity(tensors)
            optimiser.zero_grad()
            contrast_loss(similarity, tensors, model.theta.tau).backward()
            torch.nn.utils.clip_grad_norm_(model.theta.parameters(), 1.0)
            optimiser.step()
