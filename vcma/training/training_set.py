"""Training set: sentences with their clips and vocabulary, for the training stage and the ablation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vcma.batching.batches import batches
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder, Label
from vcma.errors import InputError
from vcma.model.batch import Batch
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary, vocabulary
from vcma.pipeline import artifact, schemas
from vcma.pipeline.project import Project
from vcma.pipeline.video_artifacts import report_strays
from vcma.records.columns import Columns
from vcma.records.sentence import Sentence, grouped, sentences
from vcma.text.dual_encoder import DualEncoder, needed_encoder
from vcma.text.features import WORDLLAMA, TextFeatures, text_features
from vcma.text.region_text import RegionText
from vcma.training.validation import Validation

_STEPS = 8  # minimum number of steps per epoch, if there are enough clips


@dataclass(frozen=True)
class TrainingSet:
    """Training sentences with their clips and vocabulary. detector: fingerprint of the clips' detector."""

    samples: Columns
    queries: Columns
    sentences: list[Sentence]
    clips: ClipStore
    encoder: Encoder
    vocabulary: Vocabulary
    detector: str

    @classmethod
    def of(cls, project: Project, settings: Settings, max_frames: int) -> TrainingSet:
        """Load a project's training set with the encoders that the settings require; raises as `load`."""
        artifacts, texts = project.artifacts, text_features(settings.text, project.root)
        region_encoder = needed_encoder(project.encoder, settings.reads_region_text)
        relations = settings.scores_relations
        return cls.load(
            artifacts, artifacts / "tubes", max_frames, texts, region_encoder, settings.prompts, relations
        )

    @classmethod
    def load(
        cls,
        artifacts: Path,
        tubes: Path,
        max_frames: int,
        texts: TextFeatures = WORDLLAMA,
        region_encoder: DualEncoder | None = None,
        prompts: str = "",
        relations: bool = False,
    ) -> TrainingSet:
        """Read samples.h5 and queries.h5 of a data set.

        tubes: folder of its tubes. region_encoder: region-text encoder. prompts: its prompts. relations: whether it
        also scores relations. Raises InputError without training sentences, tubes, or embeddings by that encoder.
        """
        samples = artifact.read(schemas.SAMPLES, artifacts / "samples.h5")
        queries = artifact.read(schemas.QUERIES, artifacts / "queries.h5")
        train = sentences(samples, queries, "train")
        if not train:
            raise InputError(
                "contains no training sentences",
                artifacts / "samples.h5",
                "add a 'train' file under 'splits:' whose videos no list under 'files:' excludes, or set "
                "'untrained: true' in 'ground_queries:'",
            )
        report_strays(tubes, artifacts / "samples.h5")
        clips = ClipStore(tubes, max_frames, samples["video"])
        example = clips.describe()
        width = example["feature"].shape[1]
        clips.read_as(example["class_name"], example["attribute_name"], width)
        embeddings = artifacts / "embeddings"
        embedded_by = clips.encoder_of(embeddings, region_encoder.name) if region_encoder else ""
        clips.use_embeddings(embeddings, embedded_by)
        words = vocabulary(train, example["class_name"], example["attribute_name"], width, texts, embedded_by)
        region_text = RegionText(region_encoder, prompts, words.class_names, relations) if region_encoder else None
        encoder = Encoder(words, texts, region_text)
        encoder.prepare(train)
        return cls(samples, queries, train, clips, encoder, words, str(example["detector"]))

    def validation(self, split: str, truth: Columns, device: str) -> Validation:
        """Return the sentences of a split with their ground truth."""
        return Validation(sentences(self.samples, self.queries, split), truth, self.clips, self.encoder, device)

    def steps(self, settings: Settings) -> int:
        """Return the number of steps per epoch."""
        return -(-self._clips // self.batch_clips(settings))

    def batch_clips(self, settings: Settings) -> int:
        """Return the number of clips per step: settings.batch_clips, or fewer (at least 2) to get 8 steps.

        With few steps per epoch, the parameters hardly change between two E-steps.
        """
        return min(settings.batch_clips, max(2, self._clips // _STEPS))

    @property
    def _clips(self) -> int:
        return len(grouped(self.sentences))

    def epochs(
        self, settings: Settings, labels: Mapping[str, Label] | None = None
    ) -> Callable[[int], Iterator[Batch]]:
        """Return a function from an epoch's number to its batches; labels: only for the supervised ceiling."""

        def epoch(number: int) -> Iterator[Batch]:
            seed = settings.seed, number
            frames, size = settings.train_frames, self.batch_clips(settings)
            loaded = batches(self.clips, self.encoder, self.sentences, size, seed, frames, labels)
            return (batch for *_, batch in loaded)

        return epoch
