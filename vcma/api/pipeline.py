"""The whole pipeline as one object: a detector, the parameters of pipeline.yaml, and a trained model or none."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vcma.api.grounding import Grounding, grounding_of
from vcma.api.video_tubes import (
    VideoTubes,
    Watch,
    embed,
    find_tubes,
    open_video,
    sampled_frames,
    tube_sections,
    unwatched,
)
from vcma.detection.base import Detector
from vcma.detection.prompts import prompt
from vcma.detection.registry import load_detector
from vcma.errors import InputError, did_you_mean
from vcma.pipeline import artifact, schemas
from vcma.pipeline.devices import device_error
from vcma.pipeline.paths import is_file
from vcma.pipeline.project import CONFIG, Project, find_config, load_project
from vcma.pipeline.source import PACKAGE
from vcma.pipeline.video_artifacts import read_embeddings
from vcma.records.embeddings import Embeddings, fingerprint, made_by
from vcma.records.query import Query
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes

if TYPE_CHECKING:
    from vcma.inference.grounder import Grounder
    from vcma.model.settings import UntrainedSettings
    from vcma.text.dual_encoder import DualEncoder

Video = str | Path | np.ndarray | VideoTubes
# Settings of the E-step that can be changed after training, with the ranges of the numeric ones.
_RANGES = {
    "beta": (0.0, math.inf),
    "kappa": (1e-6, math.inf),
    "relation_prior": (0.0, math.inf),
    "margin": (0.0, math.inf),
    "throughout": (0.0, 1.0),
    "refinements": (0, math.inf),
}
_CHANGEABLE = (*_RANGES, "time")
_TRAIN = "train one: python stages/train_em.py; or use no model: --untrained, in Python untrained=True"


def load(
    dataset: str | None = None,
    *,
    config: str | Path | None = None,
    model: str | Path | None = None,
    untrained: bool = False,
    device: str = "cpu",
) -> Pipeline:
    """Load the pipeline of a data set's block of pipeline.yaml.

    dataset: by default the one chosen in the file. config: the pipeline.yaml; by default that of the working folder
    or its nearest parent, else that of the clone from which vcma is imported. model: folder of a trained or
    exported model, by default the data set's. untrained: use no model but detector labels, scores and cues for
    predicates. device: torch device, e.g. cuda:0. Raises InputError if something is missing or does not fit
    together.
    """
    clone = PACKAGE.parent / CONFIG
    path = Path(config) if config else find_config(Path.cwd(), clone if clone.is_file() else None)
    project = load_project(path, dataset)
    if error := device_error(device):
        raise InputError(error, None, "use a device that torch has, e.g. cpu")
    return pipeline_of(project, model_folder(project, model, untrained), device)


def model_folder(project: Project, model: str | Path | None, untrained: bool) -> Path | None:
    """Return the folder of the chosen model, None if untrained.

    Raises InputError if there is no trained model, or if both `model` and `untrained` are given.
    """
    if untrained:
        if model is not None:
            raise InputError("untrained cannot be combined with a model", model, "omit one of the two")
        return None
    folder = Path(model) if model is not None else project.artifacts / "model"
    if not is_file(folder / "model.json"):
        raise InputError("no trained model", folder, _TRAIN)
    return folder


def pipeline_of(project: Project, model: Path | None, device: str) -> Pipeline:
    """Load a project's detector and a model (None: untrained); raises InputError if they do not fit together."""
    precision = project.section("detect_proposals")["precision"]
    detector = load_detector(project.detector, project.root, device, precision)
    pipeline = Pipeline(project, detector, model, device)
    pipeline.prepare()
    return pipeline


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Grounds sentences in videos; created by `load`.

    model: folder of the trained model, None if untrained. changes: settings that replace the model's own, or those
    of `untrained:` in pipeline.yaml.
    """

    project: Project
    detector: Detector
    model: Path | None
    device: str = "cpu"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        model = f"model {str(self.model)!r}" if self.model else "untrained"
        changes = "".join(f", {key}={value}" for key, value in self.changes.items())
        return f"Pipeline({self.project.dataset!r} of {str(self.project.root)!r}, {model}{changes})"

    def prepare(self) -> None:
        """Load all that grounding needs; raises InputError if the model is damaged or of another detector, or the
        encoder is not usable."""
        _ = self._untrained if self.model is None else self._trained
        self.embedding_encoder()

    def with_settings(self, **changes: Any) -> Pipeline:
        """Return the same pipeline with other settings of the E-step, e.g. beta=0.5, without training again.

        changes: any of beta, kappa, relation_prior, time, margin, throughout and refinements, described under
        `train_em:` in pipeline.yaml. Raises InputError for other names and for values out of range.
        """
        for name, value in changes.items():
            _check_setting(name, value)
        pipeline = replace(self, changes={**self.changes, **changes})
        pipeline.prepare()
        return pipeline

    def find_tubes(
        self,
        video: str | Path | np.ndarray,
        fps: float | None = None,
        *,
        sentences: str | Sequence[str] = (),
        watch: Watch = unwatched,
    ) -> VideoTubes:
        """Detect all objects of the detector's classes in a video, link them into tubes, and embed the tubes if
        answers need their embeddings.

        This is the slow part; its result serves any number of sentences. video: a file, or frames uint8 [n, height,
        width, 3], RGB, at `fps` frames per second. sentences: prompt of an open-vocabulary detector, ignored by any
        other. watch: shows progress, e.g. `lambda items, total, what: tqdm(items, what, total)`. Raises InputError
        if the video cannot be used.
        """
        pictures, sections, notes = open_video(video, fps), tube_sections(self.project), list[str]()
        threads = 0 if self.device == "cpu" else os.cpu_count() or 1
        detector = self.detector.prompted(self.prompt_of(sentences))
        frames = sampled_frames(pictures, sections["extract_frames"], tell=notes.append, watch=watch)
        tubes = Tubes.of(find_tubes(frames, detector, sections, threads=threads, watch=watch))
        found = VideoTubes.of(pictures, tubes, sections, notes)
        if (encoder := self.embedding_encoder()) is not None:
            how = self.project.section("embed_tubes")
            found.keep(Embeddings.of(embed(encoder, frames, tubes, watch, **how)))
        return found

    def prompt_of(self, sentences: str | Sequence[str]) -> tuple[str, ...]:
        """Return the prompt of an open-vocabulary detector for these sentences; empty for any other detector."""
        if not self.detector.reads_sentences:
            return ()
        return prompt(_parsed(parse(sentences, self.project)))

    def read_tubes(
        self,
        video: str | Path | np.ndarray,
        path: str | Path,
        fps: float | None = None,
        *,
        embeddings: str | Path | None = None,
    ) -> VideoTubes:
        """Return a video with its tubes read from an artifact: saved ones, a stage's, or another tracker's.

        embeddings: an artifact with the embeddings of these tubes; without it they are computed when needed. Raises
        InputError if tubes or embeddings do not fit the video, each other, or the model.
        """
        tubes = Tubes.of(artifact.read(schemas.TUBES, Path(path)))
        if self.model is not None:
            tubes = self._fitting_model(tubes, Path(path))
        found = VideoTubes.of(open_video(video, fps), tubes, tube_sections(self.project))
        if embeddings is not None:
            found.keep(self._fitting_encoder(read_embeddings(Path(embeddings), Path(path)), Path(embeddings)))
        return found

    def _fitting_encoder(self, embeddings: Embeddings, path: Path) -> Embeddings:
        """Return the embeddings; raises InputError if answers need those of another encoder or context."""
        if (encoder := self.embedding_encoder()) is not None:
            wanted = fingerprint(encoder.name, self.project.section("embed_tubes")["context"])
            if embeddings.encoder != wanted:
                what = f"is by encoder {embeddings.encoder}, not {wanted}"
                raise InputError(what, path, "omit the embeddings, which computes them")
        return embeddings

    def _fitting_model(self, tubes: Tubes, path: Path) -> Tubes:
        """Return the tubes with labels in the model's order; InputError if it was trained on other features."""
        remedy = "ground them without a model, or train one on such tubes"
        if tubes.detector != self.detector.fingerprint:
            what = f"are tubes of detector {tubes.detector}, the model needs those of {self.detector.fingerprint}"
            raise InputError(what, path, remedy)
        vocabulary = self._grounder_for(tubes).encoder.vocabulary
        if tubes.feature.shape[1] != vocabulary.feature:
            what = f"has features of width {tubes.feature.shape[1]}, the model needs {vocabulary.feature}"
            raise InputError(what, path, remedy)
        try:
            return tubes.with_labels(vocabulary.class_names, vocabulary.attribute_names)
        except ValueError as error:
            raise InputError(str(error), path, remedy) from error

    def ground(self, video: Video, sentences: str | Sequence[str], fps: float | None = None) -> list[Grounding]:
        """Ground each sentence in a video; returns an answer for each.

        video: as in `find_tubes`, or its result. Raises InputError if the video cannot be used or nothing was
        detected in it.
        """
        texts = _texts(sentences)
        found = video if isinstance(video, VideoTubes) else self.find_tubes(video, fps, sentences=texts)
        if not texts:
            return []
        queries = parse(texts, self.project)
        predictions = self._predictions(found, queries)
        return [grounding_of(*parts, found) for parts in zip(texts, queries, predictions, strict=True)]

    def _predictions(self, video: VideoTubes, queries: Sequence[Query]) -> list:
        from vcma.model.clip import crop

        grounder, encoder = self._grounder_for(video.tubes), self.embedding_encoder()
        embeddings = video.embedded_by(encoder, self.project) if encoder else None
        clip = crop(video.tubes, video.begin, video.end, grounder.max_frames, embeddings)
        if not len(clip.tube):
            raise InputError(
                "nothing was detected", str(video.pictures.path), "lower detect_proposals.score_threshold"
            )
        return grounder.in_clip(video.tubes, clip, _parsed(queries))

    def embedding_encoder(self) -> DualEncoder | None:
        """Return the data set's region-text encoder if answers need embeddings of tubes, else None."""
        if self.project.encoder is None:
            return None
        if self.model is not None:
            reads = self._trained.encoder.region_text is not None
        else:
            reads = self._untrained[0].reads_region_text
        from vcma.text.dual_encoder import cached_encoder

        return cached_encoder(self.project.encoder, self.device) if reads else None

    def _grounder_for(self, tubes: Tubes) -> Grounder:
        if self.model is not None:
            return self._trained
        from vcma.inference.grounder import Grounder
        from vcma.inference.untrained import label_encoder
        from vcma.text.region_text import RegionText

        (settings, max_frames), encoder = self._untrained, self.embedding_encoder()
        names, relations = tuple(tubes.common_classes), settings.scores_relations
        region_text = RegionText(encoder, settings.prompts, names, relations) if encoder else None
        labels = label_encoder(names, tubes.attribute_name, tubes.feature.shape[1], region_text)
        return Grounder.untrained(settings, max_frames, labels, self.device)

    @cached_property
    def _trained(self) -> Grounder:
        from vcma.inference.grounder import Grounder

        assert self.model is not None
        trained = Grounder.trained(
            self.model,
            self.project.root,
            self.detector.fingerprint,
            self.device,
            changes=self.changes,
            seeing=self.project.encoder,
        )
        self._check_context(trained.encoder.vocabulary.region_text)
        return trained

    @cached_property
    def _untrained(self) -> tuple[UntrainedSettings, int]:
        """The settings without a model and the maximum number of frames per clip."""
        from vcma.inference.untrained import settings_of

        settings, max_frames = settings_of(self.project.section("untrained"))
        return replace(settings, **self.changes), max_frames

    def _check_context(self, trained_with: str) -> None:
        """Raise InputError if a model was trained on crops with another context; empty: it uses no encoder."""
        context = self.project.section("embed_tubes")["context"]
        if trained_with and trained_with != fingerprint(made_by(trained_with), context):
            share = trained_with.rpartition(" ")[2]
            what = f"the model was trained on crops with {share} of context, not {context:g}"
            raise InputError(what, self.model, f"set embed_tubes.context to {share}")


def parse(sentences: str | Iterable[str], project: Project | None = None) -> list[Query]:
    """Parse sentences into entities with attributes, relations between them, and the entity to localise.

    project: its `parse_queries.model` in pipeline.yaml is the spaCy model (tagger and lemmatizer; the parse itself
    is rule-based); without a project, the first one installed.
    """
    from vcma.parsing.parser import parse as read

    model = project.section("parse_queries")["model"] if project else "auto"
    return list(read(_texts(sentences), None if model == "auto" else model))


def _parsed(queries: Iterable[Query]) -> list[Sentence]:
    """Return the sentences of these queries, to be grounded in a whole video."""
    return [Sentence.of(query, str(i), "", 0, -1) for i, query in enumerate(queries)]


def _texts(sentences: str | Iterable[str]) -> list[str]:
    texts = [sentences] if isinstance(sentences, str) else list(sentences)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"sentence {i} is not a str but {type(text).__name__}", None, "give str")
    return texts


def _check_setting(name: str, value: Any) -> None:
    """Raise InputError if a setting of the E-step cannot be changed, or not to this value."""
    from vcma.model.temporal_posterior import FAMILIES

    if name not in _CHANGEABLE:
        remedy = f"{did_you_mean(name, _CHANGEABLE)}choose from {', '.join(_CHANGEABLE)}"
        raise InputError(f"'{name}' is not a setting that can be changed after training", None, remedy)
    if name == "time":
        if value not in FAMILIES:
            raise InputError(f"time: {value!r} is unknown", None, f"choose one of {', '.join(FAMILIES)}")
        return
    low, high = _RANGES[name]
    number = isinstance(value, int if isinstance(low, int) else int | float) and not isinstance(value, bool)
    if not (number and low <= value <= high and math.isfinite(value)):
        kind = "an integer" if isinstance(low, int) else "a number"
        raise InputError(f"{name}: {value!r} is not {kind} in its range", None, f"see `train_em:` of {CONFIG}")
