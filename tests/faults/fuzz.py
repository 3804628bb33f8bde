"""Mutated files for every reader, in a process of its own: `python -m tests.faults.fuzz READER FOLDER FIRST END`.

One line of JSON before each mutation, {"start": number}, and one after it: "valid" or "refused" (InputError, or bad
usage in a YAML), or "bug" with the last lines of the traceback; `peak` is the most memory used so far, MB, by this
process or a child.
"""

import json
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np

from tests.conftest import ROOT, make_tubes, unseal
from tests.detection.answers import SIDE, answer_of, some_things
from tests.detection.networks import constant_network
from tests.faults import workshop
from vcma.errors import InputError
from vcma.pipeline import artifact, schemas
from vcma.records.tubes import Tubes

HANG = 10  # s of work on one mutation, after which SIGPROF ends the process; a loaded machine is slow, not wrong

# Instead of a value of a JSON or YAML document.
ODD = (
    None,
    True,
    -1,
    0,
    3.5,
    1e400,
    float("nan"),
    1 << 70,
    -(1 << 63),
    "",
    "\0",
    "\ud800",
    "x" * 5000,
    [],
    {},
    [[]],
)
ODD += ({"a": None}, [1, 2], "../../etc/passwd", "/etc/passwd", "$(touch x)", [[[[[[[[[[]]]]]]]]]], "1e9", 10**9)


def mangled(content: bytes, chance: random.Random) -> bytes:
    """Bytes with flipped bits, cut, swapped, repeated, or with great numbers in them."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 30))):
        if not data:
            break
        kind, at = chance.randrange(7), chance.randrange(len(data))
        size = min(chance.choice((1, 4, 8, 64, 1000)), len(data) - at)
        if kind <= 1:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            data[at : at + size] = chance.randbytes(size)
        elif kind == 3:
            data[at : at + 8] = chance.choice((b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f" * 2, b"\0\0\0\x7f" * 2))
        elif kind == 4:
            other = chance.randrange(len(data))
            data[at : at + size], data[other : other + size] = data[other : other + size], data[at : at + size]
        elif kind == 5:
            data[at:at] = data[at : at + size]
        else:
            del data[at : (at + size if chance.random() < 0.7 else len(data))]
    return bytes(data)


def altered(value: Any, chance: random.Random) -> Any:
    """A document (JSON or YAML) with one place of it missing, of another type, or swapped with another."""
    value = json.loads(json.dumps(value))
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node) if isinstance(node, list) else 0):
            places.append((node, key))
            walk(node[key])

    walk(value)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not places:
            break
        (node, key), (other, spot) = chance.choice(places), chance.choice(places)
        if chance.random() < 0.15:
            swapped = other[spot] if isinstance(other, list) else other.get(spot)
            node[key] = json.loads(json.dumps(swapped))
        elif chance.random() < 0.2 and isinstance(node, dict):
            node.pop(key, None)
        else:
            node[key] = chance.choice(ODD)
    return chance.choice(ODD) if chance.random() < 0.02 else value


def document(value: Any, chance: random.Random) -> bytes:
    """A mutated JSON document: every other time its bytes, else its structure."""
    if chance.random() < 0.5:
        return mangled(json.dumps(value).encode(), chance)
    return json.dumps(altered(value, chance)).encode("utf-8", "surrogatepass")


def videos(folder: Path) -> Callable[[random.Random], None]:
    from vcma.video.examination import examine
    from vcma.video.sampling import extract

    good = []
    for name, codec in (
        ("good.mp4", "mpeg4"),
        ("good.mp4", "libx264"),
        ("good.mkv", "libx264"),
        ("good.avi", "mpeg4"),
    ):
        workshop.draw_video(folder / name, 1, 16, codec=codec)
        good.append((folder / f"bad{name[4:]}", (folder / name).read_bytes()))

    def once(chance: random.Random) -> None:
        path, content = chance.choice(good)
        path.write_bytes(mangled(content, chance))
        if chance.random() < 0.5:
            with suppress(InputError):
                examine(path, thorough=chance.random() < 0.5)
        columns = extract(path, [(0, -1)], rate=12, max_frames=50, max_side=64, quality=80)
        artifact.write(schemas.FRAMES, folder / "frames.h5", columns, {}, {})

    return once


def annotations(folder: Path) -> Callable[[random.Random], None]:
    """VidSTG, VidOR, HC-STVG, skip lists, predictions and model descriptions: all that is JSON."""
    from vcma.datasets.formats import READERS
    from vcma.evaluation.exchange import read_predictions

    def box(x):
        return {"xmin": x, "ymin": 2, "xmax": x + 9, "ymax": 30}

    video = folder / "video" / "1"
    video.mkdir(parents=True, exist_ok=True)
    (video / "7.mp4").write_bytes(b"x")
    (folder / "boxes").mkdir(exist_ok=True)
    item = {"description": "a dog runs.", "target_id": 0, "type": "dog"}
    record = {
        "vid": "7",
        "frame_count": 20,
        "fps": 10.0,
        "width": 64,
        "height": 48,
        "subject/objects": [{"tid": 0, "category": "dog"}, {"tid": 1, "category": "ball"}],
        "used_segment": {"begin_fid": 0, "end_fid": 19},
        "temporal_gt": {"begin_fid": 2, "end_fid": 9},
        "used_relation": {"subject_tid": 0, "object_tid": 1, "predicate": "chase", "begin_fid": 2, "end_fid": 9},
        "captions": [item],
        "questions": [item],
    }
    tracks = {
        "video_path": "1/7.mp4",
        "trajectories": [[{"tid": t, "bbox": box(n + t)} for t in (0, 1)] for n in range(20)],
    }
    person = {"bbox": [[1, 2, 3, 4]] * 3, "st_frame": 2, "img_num": 20, "caption": "he sits.", "img_size": [48, 64]}
    files = {
        "vidstg/a.json": [record, record],
        "boxes/7.json": tracks,
        "hcstvg/a.json": {"7.mp4": person, "8_film.mp4": person},
        "vidstg/skip.json": {"7": "broken"},
        "predictions.json": {"7/0": {"span": [0, 3], "boxes": {"0": [1, 2, 3, 4], "2": [1, 2, 3, 4]}}},
    }
    for name in ("vidstg", "hcstvg"):
        (folder / name).mkdir(exist_ok=True)

    def once(chance: random.Random) -> None:
        bad = chance.choice(list(files))
        for name, value in files.items():
            (folder / name).write_bytes(document(value, chance) if name == bad else json.dumps(value).encode())
        if bad == "predictions.json":
            read_predictions(folder / bad)
            return
        form = "hcstvg" if bad.startswith("hcstvg") else "vidstg"
        if bad != "vidstg/skip.json":
            (folder / "vidstg/skip.json").unlink()
        splits = {"train": "a.json", "val": None if form == "hcstvg" else "a.json", "test": "a.json"}
        block = {"videos": "video", "splits": splits, "val_share": 0.5, "val_seed": 0, "train_truth": True}
        if form == "vidstg":
            block |= {"boxes": "boxes"}
        index = READERS[form](folder / form, block, folder)
        artifact.write(schemas.SAMPLES, folder / "samples.h5", index.samples, {}, {})
        for truth in index.truths.values():
            artifact.write(schemas.TRUTH, folder / "truth.h5", truth, {}, {})

    return once


def csv(folder: Path) -> Callable[[random.Random], None]:
    from vcma.datasets.formats import READERS

    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(b"x")
    rows = 'video,sentence,more\na.mp4,"a man, who walks",1\nb.mp4,"he says ""no"".",2\na.mp4,a dog,\n' * 2
    lines = "".join(json.dumps({"video": v, "sentence": "a dog"}) + "\n" for v in ("a.mp4", "b.mp4", "a.mp4"))
    block = {"videos": "."}

    def once(chance: random.Random) -> None:
        name, good = chance.choice([("clips.csv", rows), ("clips.jsonl", lines)])
        (folder / name).write_bytes(mangled(good.encode(), chance))
        index = READERS["clips"](folder, block | {"splits": {"train": name, "test": name}}, folder)
        artifact.write(schemas.SAMPLES, folder / "samples.h5", index.samples, {}, {})

    return once


def yaml(folder: Path) -> Callable[[random.Random], None]:
    """pipeline.yaml for the command lines of all stages, up to the point where they would begin to work."""
    from importlib import import_module

    from yaml import safe_dump, safe_load

    text = (ROOT / "pipeline.yaml").read_text()
    value = safe_load(text) | {"run": {"jobs": 2, "scheduler": None}}
    stages = [path.stem for path in (ROOT / "stages").glob("*.py")]
    commands = {name: getattr(import_module(f"stages.{name}"), name) for name in stages}

    def once(chance: random.Random) -> None:
        path = folder / "pipeline.yaml"
        if chance.random() < 0.5:
            path.write_bytes(mangled(text.encode(), chance))
        else:
            path.write_text(safe_dump(altered(value, chance)), "utf-8", "replace")
        name = chance.choice(stages)
        try:
            context = commands[name].make_context(name, ["--config", str(path)])
            with context:
                json.dumps(context.params, default=str)
        except (click.UsageError, SystemExit) as error:
            raise InputError(str(error)) from None

    return once


def hdf5(folder: Path) -> Callable[[random.Random], None]:
    """Artifacts of every schema, more of them without a seal, for the readers and what first works on columns."""
    from vcma.commands.show import describe
    from vcma.linking import linker
    from vcma.model.clip import crop

    good = {n: workshop.schema_file(s, folder / f"{n}.h5").read_bytes() for n, s in schemas.SCHEMAS.items()}
    artifact.write(schemas.TUBES, folder / "tubes.h5", make_tubes(0), {}, {})
    good["tubes"] = (folder / "tubes.h5").read_bytes()

    def once(chance: random.Random) -> None:
        name = chance.choice(list(good))
        path, schema = folder / "bad.h5", schemas.SCHEMAS[name]
        path.write_bytes(good[name])
        if chance.random() < 0.7:
            unseal(path)
        if chance.random() < 0.7:
            path.write_bytes(mangled(path.read_bytes(), chance))
        else:
            _reshape(path, schema, chance)
        way = chance.randrange(4)
        if way == 0:
            artifact.attributes(path, schema)
        elif way == 1:
            describe(path, 3)
        elif way == 2:
            artifact.read(schema, path, [chance.choice(list(schema.columns))])
        else:
            columns = artifact.read(schema, path)
            if schema is schemas.TUBES:
                crop(Tubes.of(columns), 0, -1, 8)
            elif schema is schemas.PROPOSALS:
                usual = {"min_score": 0.2, "max_gap": 4.0, "max_overlap": 0.4, "smoothing": 1.0}
                linker.link(columns, alpha=0.5, max_tubes=5, **usual)

    return once


def _reshape(path: Path, schema: schemas.Schema, chance: random.Random) -> None:
    """Put a huge shape, another type, a group or a link in a column's place; or alter an attribute."""
    import h5py

    name = chance.choice(list(schema.columns))
    with h5py.File(path, "a") as file:
        kind = chance.randrange(8)
        if kind == 7:
            file.attrs[chance.choice(list(file.attrs))] = chance.choice((3, np.zeros(9), "tubes/1", b"\xff", "{"))
            return
        del file[name]
        if kind == 0:
            huge = chance.choice(((1 << 40, 4), (1 << 62,), (1 << 30,) * 3, (1 << 33, 1 << 20)))
            file.create_dataset(name, huge, chance.choice(("f4", "i8", "S9")), chunks=(4,) * len(huge))
        elif kind == 1:
            with_filter = {"compression": "gzip", "chunks": (1 << 22,)}
            file.create_dataset(name, (1 << 24,), "f8", fillvalue=1, **with_filter)
        elif kind == 2:
            file.create_dataset(name, data=chance.choice((3, "x", np.zeros(4, "i1"), np.zeros((2, 3, 4), "f8"))))
        elif kind == 3:
            file.create_group(name)
        elif kind == 4:
            file[name] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == 5:
            file[name] = h5py.SoftLink(chance.choice(("/", f"/{name}", "/box")))
        else:
            file.create_dataset(name, (64,), "u1", external=[("/etc/passwd", 0, 64)])


def safetensors(folder: Path) -> Callable[[random.Random], None]:
    """Trained models and the rounds of a killed training."""
    from vcma.model.evidence import build
    from vcma.model.settings import Settings
    from vcma.model.vocabulary import Vocabulary
    from vcma.training.model_files import load_model, save_model
    from vcma.training.resume import Rounds
    from vcma.training.trainer import Trainer

    words = json.loads((folder.parent / "vocabulary.json").read_text())
    settings = Settings.of(json.loads((folder.parent / "settings.json").read_text()))
    model = build(Vocabulary.from_json(words), lambda names: np.zeros((len(names), 256), np.float32), settings)
    save_model(folder, model, "detector", {"max_frames": 8})
    rounds = Rounds(folder / "rounds", "key", Trainer(model))
    rounds.keep([{"round": 1, "best": True, "rising": 0.5}])
    good = {name: (folder / name).read_bytes() for name in ("model.safetensors", "model.json", "rounds")}

    def once(chance: random.Random) -> None:
        bad = chance.choice(list(good))
        for name, content in good.items():
            (folder / name).write_bytes(content)
        if bad == "model.json":
            (folder / bad).write_bytes(document(json.loads(good[bad]), chance))
        else:
            head = 8 + int.from_bytes(good[bad][:8], "little")
            cut = head if chance.random() < 0.5 else len(good[bad])
            (folder / bad).write_bytes(mangled(good[bad][:cut], chance) + good[bad][cut:])
        if bad == "rounds":
            history = Rounds(folder / bad, "key", Trainer(model)).resume()
            assert history in ([], [{"round": 1, "best": True, "rising": 0.5}]), history
        else:
            load_model(folder, "detector")

    return once


def weights(folder: Path) -> Callable[[random.Random], None]:
    """Detector weights as .pth, .pkl and, of every layout, .onnx; class names; and detectron2's configuration."""
    import pickle

    import torch

    from vcma.detection.layouts import LAYOUTS
    from vcma.detection.registry import load_detector
    from vcma.detection.weights import read_checkpoint

    state = {f"layer{i}.weight": torch.zeros(3, 4) for i in range(4)}
    torch.save({"model": state, "class_names": ["dog"], "attribute_names": ["red"]}, folder / "good.pth")
    plain = {"model": {k: v.numpy() for k, v in state.items()}, "class_names": ("dog",)}
    (folder / "good.pkl").write_bytes(pickle.dumps(plain))
    block = workshop.tiny_network(folder)
    good = {kind: (folder / f"good.{kind}").read_bytes() for kind in ("pth", "pkl")}
    good |= {"names": (folder / "names").read_bytes()}
    for layout in LAYOUTS:
        network = constant_network(folder / f"{layout}.onnx", answer_of(layout, some_things())[0], SIDE)
        good[layout] = network.read_bytes()

    def once(chance: random.Random) -> None:
        kind = chance.choice(list(good))
        path = folder / f"bad.{'onnx' if kind in LAYOUTS else kind}"
        path.write_bytes(mangled(good[kind], chance))
        if kind in ("pth", "pkl"):
            read_checkpoint(path)
            return
        changes = {"classes": str(path)} if kind == "names" else {"weights": str(path), "layout": kind}
        detector = load_detector(block | changes, folder)
        limits = {"top_k": 5, "score_threshold": 0.1, "nms_threshold": 0.5, "min_size": 1}
        detector.detect([np.zeros((48, 64, 3), np.uint8)], **limits)

    return once


READERS = {f.__name__: f for f in (videos, annotations, csv, yaml, hdf5, safetensors, weights)}


def main(reader: str, folder: Path, first: int, end: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    once = READERS[reader](folder)

    def tell(**what: Any) -> None:
        print(json.dumps(what), file=told, flush=True)

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for number in range(first, end):
        tell(start=number)
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            once(random.Random(f"{reader} {number}"))
            result = {"valid": number}
        except InputError as error:
            text = str(error)
            result = {"refused": number} if "\n" not in text else {"bug": number, "text": text}
        except (Exception, SystemExit):
            result = {"bug": number, "text": traceback.format_exc()[-1500:]}
        used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        tell(**result, peak=used // 1024)


if __name__ == "__main__":
    told = sys.stdout
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
