"""Speed and memory of an EM epoch at the size of the demo and of VidSTG, compared with a plain loop over sentences.

    python bench/train_em.py [--share 0.003] [--rounds 3] [--tubes 24] [--json FILE]

Tubes are generated in the real schema (VidSTG: 24 tubes of 64 frames with 1,024 features; 18,914 clips of 4.3
sentences, see data_sets.py) and streamed from HDF5 as in training, including their geometry; a share of VidSTG's
clips is measured and extrapolated. The plain loop computes the same updates on the same clips with one sentence per
step, in alternation. One thread; peak memory is measured before the plain loop runs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import turns  # first: it sets the number of threads

from vcma.batching.batches import batches
from vcma.batching.clip_store import ClipStore
from vcma.batching.encoder import Encoder
from vcma.model.batch import Batch
from vcma.model.evidence import Model, build
from vcma.model.settings import Settings
from vcma.model.vocabulary import Vocabulary, vocabulary
from vcma.pipeline import schemas
from vcma.records.sentence import Sentence
from vcma.text.features import WORDLLAMA
from vcma.text.static_vectors import static_vectors
from vcma.training.trainer import Trainer

# isort: split
import numpy as np
import yaml

# clips, tubes, frames, features, sentences per clip
SIZES = {"demo": (60, 12, 32, 192, 5.5), "vidstg": (18_914, 24, 64, 1024, 80_684 / 18_914)}
NAMES = ("adult", "child", "dog", "cat", "ball", "car", "toy", "chair")
PREDICATES = ("above", "chase", "hold", "next to", "towards", "push", "ride", "watch")


def generate(folder: Path, videos: int, tubes: int, frames: int, features: int) -> None:
    """Generate tubes of `videos` videos, moving as random walks, as TUBES artifacts."""
    from vcma.pipeline import artifact

    for v in range(videos):
        random = np.random.default_rng(v)
        centre = random.uniform(0.2, 0.8, (tubes, 1, 2)) + np.cumsum(random.normal(0, 0.01, (tubes, frames, 2)), 1)
        half = random.uniform(0.05, 0.2, (tubes, 1, 2))
        centre = centre.clip(0.05, 0.95)  # boxes keep an area in the picture
        box = np.concatenate([centre - half, centre + half], -1).clip(0, 1) * 480
        n = tubes * frames
        columns = {
            "frame": np.arange(frames) * 6,
            "time": np.arange(frames) * 0.25,
            "point_offset": np.arange(tubes + 1) * frames,
            "position": np.tile(np.arange(frames), tubes),
            "box": box.reshape(n, 4).astype(np.float32),
            "score": np.ones(n, np.float32),
            "interpolated": np.zeros(n, bool),
            "feature": random.normal(size=(n, features)).astype(np.float16),
            "tube_score": np.linspace(1, 0.5, tubes).astype(np.float32),
            "class_prob": random.dirichlet(np.ones(len(NAMES)), tubes).astype(np.float16),
            "attribute_prob": np.zeros((tubes, 0), np.float16),
            "class_name": np.array(NAMES, dtype=object),
            "attribute_name": np.array([], dtype=object),
            "detector": "bench",
            "width": np.int64(640),
            "height": np.int64(480),
        }
        artifact.write(schemas.TUBES, folder / f"v{v}.h5", columns, {}, {})


@dataclass
class Corpus:
    """Generated sentences and tubes (in `folder`) of one of SIZES."""

    settings: Settings
    sentences: list[Sentence]
    vocabulary: Vocabulary
    encoder: Encoder
    folder: Path

    @classmethod
    def generated(cls, size: str, share: float, folder: Path, vidstg_tubes: int) -> Corpus:
        """Generate a share of VidSTG's clips, with the given number of tubes, or the complete demo."""
        whole, tubes, frames, features, each = SIZES[size]
        videos = max(2, round(whole * share)) if size == "vidstg" else whole
        tubes = vidstg_tubes if size == "vidstg" else tubes
        return cls.of(folder, videos, tubes, frames, features, round(videos * each))

    @classmethod
    def of(cls, folder: Path, videos: int, tubes: int, frames: int, features: int, sentences: int) -> Corpus:
        """Sentences about `videos` videos, and the tubes of those."""
        settings = Settings.of(yaml.safe_load((turns.ROOT / "pipeline.yaml").read_text())["train_em"])
        random = np.random.default_rng(0)
        told = []
        for i in range(sentences):
            heads = tuple(random.choice(NAMES, 2).tolist())
            relation = (0, str(random.choice(PREDICATES)), 1)
            told.append(Sentence(str(i), f"v{i % videos}", 0, -1, heads, heads, ((), ()), 0, (relation,)))
        words = vocabulary(told, NAMES, (), features, WORDLLAMA)
        encoder = Encoder(words)
        encoder.prepare(told)
        generate(folder, videos, tubes, frames, features)
        return cls(settings, told, words, encoder, folder)

    def model(self) -> Model:
        return build(self.vocabulary, static_vectors, self.settings)

    def batches(self, sentences: list[Sentence], clips_a_step: int) -> Iterator[Batch]:
        """Yield the batches of one EM epoch, streamed from the folder."""
        clips = ClipStore(self.folder, 64, {s.video for s in self.sentences})
        loaded = batches(clips, self.encoder, sentences, clips_a_step, (0, 0), self.settings.train_frames)
        return (batch for *_, batch in loaded)


def measure(size: str, share: float, rounds: int, vidstg_tubes: int) -> dict:
    """Run EM epochs in this process; returns seconds by way, number of sentences, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus.generated(size, share, Path(folder), vidstg_tubes)
        told, clips, warm = corpus.sentences, corpus.settings.batch_clips, corpus.settings.warm_up
        trainer = Trainer(corpus.model())

        def one_by_one() -> Iterator[Batch]:
            return itertools.chain.from_iterable(corpus.batches([sentence], 1) for sentence in told)

        ways = {
            "ours": lambda: trainer.epoch(corpus.batches(told, clips), warm, "cpu"),
            "plain loop": lambda: trainer.epoch(one_by_one(), warm, "cpu"),
        }
        ways["ours"]()  # warms up
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        spent = turns.in_turns(ways, rounds, warm=0)
    return {"sentences": len(told), "spent": spent, "peak_MB": peak}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--share", type=float, default=0.003, help="share of VidSTG's clips to measure")
    options.add_argument("--rounds", type=int, default=3, help="repetitions")
    options.add_argument("--tubes", type=int, default=SIZES["vidstg"][1], help="tubes per clip of VidSTG")
    options.add_argument("--json", type=Path, help="write the results to this file")
    options.add_argument("--one", metavar="SIZE", help=argparse.SUPPRESS)
    args = options.parse_args()
    if args.one:
        print(json.dumps(measure(args.one, args.share, args.rounds, args.tubes)))
        return
    comparisons, more = {}, {}
    for size in SIZES:
        words = [__file__, "--share", str(args.share), "--rounds", str(args.rounds), "--tubes", str(args.tubes)]
        words += ["--one", size]
        done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        rate = found["sentences"] / statistics.median(found["spent"]["ours"])
        comparisons[f"train an epoch of {found['sentences']} sentences, size of {size}"] = found["spent"]
        more[size] = {"sentences_per_second": rate, "peak_MB": found["peak_MB"]}
        print(f"{size}: {rate:.0f} sentences/s, {found['peak_MB']:.0f} MB peak")
    more["vidstg"]["epoch_minutes"] = 80684 / more["vidstg"]["sentences_per_second"] / 60
    print(f"VidSTG: {more['vidstg']['epoch_minutes']:.1f} minutes per epoch on one core (extrapolated)")
    turns.finish(comparisons, args.json, **more)


if __name__ == "__main__":
    main()
