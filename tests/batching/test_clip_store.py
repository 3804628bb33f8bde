"""Clips of other people's tubes: class names are read of every file, and stray files are none of the data set's."""

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT, make_tubes
from vcma.batching.clip_store import ClipStore
from vcma.errors import InputError
from vcma.inference.grounder import Grounder
from vcma.inference.untrained import label_encoder, settings_of
from vcma.model.clip import crop
from vcma.pipeline import artifact, schemas
from vcma.pipeline.video_artifacts import report_strays
from vcma.records.query import Entity, Query
from vcma.records.sentence import Sentence
from vcma.records.tubes import Tubes

DOG = Query("the dog", "declarative", (Entity("the dog", "dog", (), "singular", (0, 7)),), (), 0)


def reordered(tubes, classes, attributes=(0, 1)):
    """The same tubes by a writer who lists classes and attributes in another order."""
    classes, attributes = list(classes), list(attributes)
    return tubes | {
        "class_name": tubes["class_name"][classes],
        "class_prob": tubes["class_prob"][:, classes],
        "attribute_name": tubes["attribute_name"][attributes],
        "attribute_prob": tubes["attribute_prob"][:, attributes],
    }


def write(folder, **videos):
    for video, columns in videos.items():
        artifact.write(schemas.TUBES, folder / f"{video}.h5", columns, {}, {})
    return folder


def sure_of_its_classes(seed=0):
    tubes = make_tubes(seed, tubes=3)
    return tubes | {"class_prob": np.eye(3, dtype=np.float16)}


def test_the_order_of_classes_in_a_file_moves_no_answer(tmp_path):
    tubes = sure_of_its_classes()
    write(tmp_path, a=tubes, b=reordered(tubes, (1, 2, 0), (1, 0)))
    clips = ClipStore(tmp_path, 12, ["a", "b"])
    for one, other in zip(vars(clips.tubes("a")).values(), vars(clips.tubes("b")).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    settings, _ = settings_of(yaml.safe_load((ROOT / "pipeline.yaml").read_text())["untrained"])
    encoder = label_encoder(tubes["class_name"], tubes["attribute_name"], 6)
    grounder = Grounder.untrained(settings, 12, encoder, "cpu")
    found = grounder.in_corpus(clips, [Sentence.of(DOG, video, video, 0, -1) for video in "ab"])
    assert [p.answer.tube for p in found] == [1, 1]


def test_a_model_reads_every_file_in_the_order_it_was_trained_on(tmp_path):
    write(tmp_path, a=reordered(sure_of_its_classes(), (2, 0, 1)))
    clips = ClipStore(tmp_path, 12, ["a"])
    clips.read_as(("adult", "dog", "ball"), ("red", "blue"), 6)
    tubes = clips.tubes("a")
    assert tubes.class_name.tolist() == ["adult", "dog", "ball"]
    assert np.array_equal(tubes.class_prob, np.eye(3)) and tubes.class_of(1) == "dog"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"class_name": np.array(["adult", "dog", "cat"], object)},
            "class_name differs from that of the other videos",
        ),
        (
            {"attribute_name": np.array(["red", "red"], object)},
            "attribute_name differs from that of the other videos",
        ),
        ({"feature": np.zeros((29, 5), np.float16)}, "has features of width 5, others of 6"),
        ({"detector": "another"}, "was made with detector another"),
    ],
)
def test_tubes_of_two_kinds_are_told_with_the_file(tmp_path, change, told):
    tubes = make_tubes(0, tubes=3)
    change = {n: v[: len(tubes[n])] if n == "feature" else v for n, v in change.items()}
    write(tmp_path, a=tubes, b=tubes | change)
    clips = ClipStore(tmp_path, 12, ["a", "b"])
    clips.tubes("a")
    with pytest.raises(InputError, match=told) as error:
        clips.tubes("b")
    assert str(error.value).startswith(f"{tmp_path / 'b.h5'}: ")


def test_classes_of_one_name_keep_their_order(tmp_path):
    """As in Visual Genome's vocabulary."""
    tubes = sure_of_its_classes() | {"class_name": np.array(["dog", "cat", "dog"], object)}
    write(tmp_path, a=tubes, b=reordered(tubes, (1, 0, 2)))
    clips = ClipStore(tmp_path, 12, ["a", "b"])
    assert np.array_equal(clips.tubes("a").class_prob, clips.tubes("b").class_prob)


def prompted(tubes, names, order):
    """The same tubes of a detector that was asked for more names, whose classes stand in an order."""
    more = len(tubes["tube_score"]), len(names)
    rest = np.full(more, 0.5, np.float16)
    rest[1] = 0.9
    wider = {
        "class_name": np.array([*tubes["class_name"], *names], object)[order],
        "class_prob": np.concatenate([tubes["class_prob"], rest], axis=1)[:, order],
        "prompted": (np.arange(3 + len(names)) >= 3)[order],
    }
    return tubes | wider


def test_classes_that_one_video_was_prompted_with_stand_behind_those_of_all(tmp_path):
    tubes = sure_of_its_classes()
    a, b = prompted(tubes, ("zebra",), [0, 1, 2, 3]), prompted(tubes, ("lion", "red lion"), [4, 2, 0, 3, 1])
    write(tmp_path, a=a, b=b, c=tubes)
    clips = ClipStore(tmp_path, 12, ["a", "b", "c"])
    assert clips.describe()["class_name"].tolist() == ["adult", "dog", "ball"]
    names = {video: clips.tubes(video).class_name.tolist() for video in "abc"}
    assert names == {
        "a": ["adult", "dog", "ball", "zebra"],
        "b": ["adult", "dog", "ball", "red lion", "lion"],
        "c": ["adult", "dog", "ball"],
    }
    kept = [clips((video, 0, -1)) for video in "abc"]
    assert [clip.prompts for clip in kept] == [("zebra",), ("red lion", "lion"), ()]
    # What a model reads is of one width, and a crop of tubes in any order is the same.
    for clip in kept:
        np.testing.assert_array_equal(clip.appearance, kept[2].appearance)
    alone = crop(Tubes.of(b), 0, -1, 12)
    assert alone.prompts == kept[1].prompts
    np.testing.assert_array_equal(alone.class_prob[:, 3:], kept[1].class_prob[:, 3:])


def test_a_sentence_is_matched_with_the_classes_of_its_own_video(tmp_path):
    tubes = sure_of_its_classes()
    write(tmp_path, a=prompted(tubes, ("zebra",), [0, 1, 2, 3]), b=prompted(tubes, ("lion",), [0, 1, 2, 3]))
    zebra = Query("a zebra", "declarative", (Entity("a zebra", "zebra", (), "singular", (0, 7)),), (), 0)
    settings, _ = settings_of(yaml.safe_load((ROOT / "pipeline.yaml").read_text())["untrained"])
    encoder = label_encoder(tubes["class_name"], tubes["attribute_name"], 6)
    grounder = Grounder.untrained(settings, 12, encoder, "cpu")
    found = grounder.in_corpus(
        ClipStore(tmp_path, 12, ["a", "b"]), [Sentence.of(zebra, video, video, 0, -1) for video in "ab"]
    )
    assert found[0].answer.tube == 1
    assert [any(flag == "no_class:zebra" for flag in p.flags) for p in found] == [False, True]


def test_a_stray_file_is_ignored_and_told(tmp_path, capsys):
    write(tmp_path / "tubes", b=make_tubes(0))
    (tmp_path / "tubes" / "0 backup.h5").write_text("nothing of ours")
    samples = schemas.empty(schemas.SAMPLES)
    names = [n for n, c in schemas.SAMPLES.columns.items() if c.axes == ("video",)]
    samples |= {n: np.array(["b"], object) if samples[n].dtype == object else samples[n].repeat(1) for n in names}
    samples |= {n: np.ones(1, samples[n].dtype) for n in names if samples[n].dtype != object}
    artifact.write(schemas.SAMPLES, tmp_path / "samples.h5", samples, {}, {})
    report_strays(tmp_path / "tubes", tmp_path / "samples.h5")
    assert capsys.readouterr().err.endswith(
        "1 files belong to no video of this data set and are ignored, e.g. 0 backup.h5\n"
    )
    clips = ClipStore(tmp_path / "tubes", 12, ["b", "without tubes"])
    assert clips.describe()["detector"] == "test" and [p.name for p in clips.files()] == ["b.h5"]
    with pytest.raises(InputError, match="contains no tubes of this data set's videos"):
        ClipStore(tmp_path / "tubes", 12, ["c"]).describe()
