"""Scoring the predictions of one split: metrics, summaries as text, and comparisons with another file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vcma.evaluation.attainable import unattainable
from vcma.evaluation.coverage import Coverage
from vcma.evaluation.exchange import named_for, read_predictions
from vcma.evaluation.metrics import compare, evaluate, headline, score
from vcma.evaluation.plausibility import doubts
from vcma.evaluation.protocols import chosen_protocols
from vcma.evaluation.tables import comparison_table, metrics_table
from vcma.pipeline import storage
from vcma.records.columns import Columns
from vcma.records.predicted_tubes import PredictedTubes


@dataclass(frozen=True)
class Scorer:
    """Scores predictions of one split.

    truth: TRUTH columns; protocols: those to score by; seed: of the bootstrap. Metrics are returned as
    {protocol: result of `evaluate`}.
    """

    truth: Columns
    split: str
    protocols: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, truth: Columns, split: str, protocol: str, seed: int) -> Scorer:
        """Create a scorer. protocol: `default`, `all` or the name of one."""
        return cls(truth, split, chosen_protocols(truth, protocol), seed)

    @property
    def scope(self) -> str:
        """What is scored, e.g. "104 samples by stcat"."""
        return f"{len(self.truth['sample']):,} samples by {', '.join(self.protocols)}"

    def read(self, path: Path) -> PredictedTubes:
        """Read a JSON file of predictions, renamed to the ids of the split's samples."""
        return named_for(read_predictions(path), [*self.truth["sample"], *self.truth["skipped"]], self.split)

    def metrics(self, predictions: PredictedTubes) -> dict:
        return {p: evaluate(self.truth, predictions, p, seed=self.seed) for p in self.protocols}

    def headline(self, predictions: PredictedTubes) -> dict[str, float]:
        """Return the headline metrics for comparing runs, by the first protocol."""
        return headline(score(self.truth, predictions, self.protocols[0]))

    def comparison(self, predictions: PredictedTubes, metrics: dict, name: str, other: Path) -> str:
        """Format paired differences between predictions, called `name`, and those of the file `other`."""
        theirs = self.read(other)
        differences = {p: compare(self.truth, predictions, theirs, p, seed=self.seed) for p in self.protocols}
        table = comparison_table(differences, metrics, self.metrics(theirs), name, str(other))
        return "\n".join([*(f"{other}: {doubt}" for doubt in doubts(self.truth, theirs)), table])

    def summary(self, predictions: PredictedTubes, metrics: dict, baselines: dict, name: str) -> str:
        """Format metrics beside those of baselines (name -> metrics), with warnings and what is not scored."""
        truth = self.truth
        unknown = set(predictions.sample) - set(truth["sample"]) - set(truth["skipped"])
        coverage = Coverage.of(truth, self.split)
        table = metrics_table(metrics, baselines, str(truth["format"]), coverage, name)
        notes = [note for protocol in self.protocols for note in unattainable(truth, protocol)]
        foreign = f"; {len(unknown):,} predictions match no sample of {self.split}" if unknown else ""
        return "\n".join([*doubts(truth, predictions), *dict.fromkeys(notes), table, coverage.reasons + foreign])


def score_file(scorer: Scorer, file: Path, other: Path | None, out: Path | None) -> Iterator[str]:
    """Score a predictions file, write its metrics to `out` if given, and yield the texts to print.

    If `other` is given, paired differences to that file come first.
    """
    predictions = scorer.read(file)
    metrics = scorer.metrics(predictions)
    if other:
        yield scorer.comparison(predictions, metrics, str(file), other) + "\n"
    if out:
        storage.write_json(out, metrics)
    yield scorer.summary(predictions, metrics, {}, file.name)
