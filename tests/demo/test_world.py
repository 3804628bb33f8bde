"""The drawn world: same seed, same bytes; boxes fit the pictures; sentences have one answer; the files' formats."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from demo import describe_world
from world import dataset
from world.acts import ACTS, PREDICATES, can
from world.cast import CATEGORIES, HEIGHTS, Thing, draw_cast
from world.grammar import (
    NOUNS,
    PREPOSITIONS,
    TEST_NOUNS,
    TEST_PREPOSITIONS,
    TEST_SCENES,
    TEST_VERBS,
    VERBS,
    Description,
    Writer,
    attribute_sets,
)
from world.painting import Painter, frames_of
from world.plan import plan_video, random_of, stage_video
from world.records import Judge, Wording
from world.relations import SPATIAL, Geometry, bridged, relations, runs
from world.stage import HEIGHT, WIDTH

SEED = 11
VIDSTG_KEYS = {
    "vid",
    "fps",
    "frame_count",
    "used_segment",
    "width",
    "height",
    "subject/objects",
    "used_relation",
    "temporal_gt",
    "captions",
    "questions",
}


@pytest.fixture(scope="module")
def videos():
    return [plan_video(SEED, dataset.VERSION, index, test=index % 2 == 1) for index in range(12)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A tiny data set on disk."""
    root = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dataset.SIZES, "tiny", {"train": 2, "val": 1, "test": 1})
        dataset.draw_world(root, "tiny", SEED, jobs=1)
    return root


def files_of(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def flat(geometry: dict[str, list[float]], fps: int = 10) -> Geometry:
    """Two things with constant boxes, on the ground, at rest or moving as x says."""
    boxes = np.array(geometry["boxes"], dtype=float)
    x = np.array(geometry["x"], dtype=float)
    shape = x.shape
    return Geometry(
        boxes,
        x,
        np.full(shape, 200.0),
        np.zeros(shape),
        np.array(geometry["depth"])[:, None] + np.zeros(shape),
        fps,
    )


# --- determinism


def test_same_seed_same_files(drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(dataset.SIZES, "tiny", {"train": 2, "val": 1, "test": 1})
    dataset.draw_world(tmp_path, "tiny", SEED, jobs=1)
    assert files_of(tmp_path) == files_of(drawn)


def test_another_seed_is_another_world():
    one, two = (plan_video(seed, dataset.VERSION, 0, test=False) for seed in (SEED, SEED + 1))
    assert one.frames != two.frames or not np.array_equal(one.geometry.boxes, two.geometry.boxes)


def test_videos_do_not_depend_on_one_another(videos):
    again = plan_video(SEED, dataset.VERSION, 7, test=True)
    assert np.array_equal(again.geometry.boxes, videos[7].geometry.boxes)
    assert again.records == videos[7].records


def test_ids_are_unique():
    ids = [dataset.video_id(SEED, index) for index in range(700)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"\d{10}", vid) for vid in ids)


# --- pictures


def test_boxes_fit_the_pictures(videos):
    video = videos[0]
    painter = Painter(video, random_of(SEED, dataset.VERSION, 2, 0), np.arange(video.frames))
    assert np.allclose(painter.boxes, video.geometry.boxes)
    k = video.frames // 2
    full = painter.frame(k)
    nearest = painter.order[k][-1]
    without = painter.outlines[nearest]
    painter.outlines[nearest] = []
    rows, columns = np.nonzero(np.abs(full.astype(int) - painter.frame(k)).max(2) > 40)
    painter.outlines[nearest] = without
    x0, y0, x1, y1 = painter.boxes[nearest, k]
    assert x0 - 2 <= columns.min() and columns.max() <= x1 + 2
    assert y0 - 2 <= rows.min() and rows.max() <= y1 + 2
    assert abs(columns.min() - x0) < 6 and abs(rows.min() - y0) < 6


def test_things_can_be_seen_by_a_small_detector(videos):
    for video in videos:
        boxes = video.geometry.boxes
        sides = (boxes[..., 2:] - boxes[..., :2]).max(-1)
        assert sides.min() >= 17


def test_still_pictures_carry_boxes_classes_and_attributes():
    stills = list(dataset.still_pictures(SEED, 12))
    for image, boxes, classes, attributes in stills:
        assert image.shape == (HEIGHT, WIDTH, 3) and image.dtype == np.uint8
        assert boxes.dtype == np.float32 and boxes.shape == (len(classes), 4)
        assert attributes.shape == (len(classes), len(dataset.ATTRIBUTES)) and attributes.dtype == np.uint8
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= [WIDTH, HEIGHT]).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 5).all()
        assert (attributes.sum(1) >= 1).all()
    assert len(np.unique(np.concatenate([c for _, _, c, _ in stills]))) >= 8


def test_still_pictures_repeat():
    for one, two in zip(dataset.still_pictures(3, 2), dataset.still_pictures(3, 2), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_file_decodes_to_the_frames_that_were_drawn(drawn):
    record = json.loads((drawn / "train_annotations.json").read_text())[0]
    path = next((drawn / "vidor" / "video").rglob(f"{record['vid']}.mp4"))
    video = plan_video(SEED, dataset.VERSION, 0, test=False)
    capture = cv2.VideoCapture(str(path))
    count = 0
    for picture in frames_of(video, random_of(SEED, dataset.VERSION, 2, 0)):
        found, decoded = capture.read()
        assert found
        assert np.abs(decoded.astype(int) - picture).mean() < 8
        count += 1
    assert count == record["frame_count"] and not capture.read()[0]


# --- what is true in it


def test_every_predicate_has_somebody_to_play_it():
    assert len(PREDICATES) >= 15 and len(CATEGORIES) >= 10
    for predicate in PREDICATES:
        others = (None,) if ACTS[predicate].others is None else CATEGORIES
        assert any(can(predicate, s, o) for s in CATEGORIES for o in others)


def test_every_sentence_has_one_answer(videos):
    sentences = [s for v in videos for r in v.records for s in r.sentences]
    assert len(sentences) > 30
    assert not any(s.hardness["impossible"] for s in sentences)


def test_the_relation_holds_over_its_span(videos):
    for video in videos:
        strict = relations(video.geometry, video.things, strict=True)
        for record in video.records:
            e = record.event
            assert 0 <= record.segment[0] <= e.begin < e.end <= record.segment[1] <= video.frames
            assert video.seen[e.subject, e.begin : e.end].mean() > 0.95
            if e.predicate in SPATIAL:
                assert strict[e.predicate][e.subject, e.other, e.begin : e.end].mean() >= 0.8


def test_relations_hold_for_part_of_the_video(videos):
    shares = [(r.event.end - r.event.begin) / v.frames for v in videos for r in v.records]
    assert 0.2 < np.median(shares) < 0.5 and max(shares) < 0.65


def test_most_targets_have_a_rival_of_their_category(videos):
    distractors = [s.hardness["distractors"] for v in videos for r in v.records for s in r.sentences]
    assert np.mean(np.array(distractors) >= 1) > 0.6


def test_a_second_match_makes_a_sentence_impossible(videos):
    """Without attributes a caption that needed them no longer has one answer."""
    for video in videos:
        judge = Judge(video)
        for record in video.records:
            e = record.event
            bare = Wording(
                e,
                Description(video.things[e.subject]),
                None if e.other is None else Description(video.things[e.other]),
            )
            answers = judge.pairs(judge.answers(bare, record.segment, plain=True))
            if len({i for i, _ in answers} - {e.subject}) > 0:
                assert not judge.unique(bare, record.segment)
                return
    pytest.fail("no sentence in twelve videos needed an attribute")


def test_relations_of_two_boxes():
    ball, adult = Thing(0, "ball", "red"), Thing(1, "adult", "blue", "black")
    frames = 20
    boxes = np.array([[[100, 180, 120, 200]] * frames, [[125, 110, 155, 200]] * frames])
    x = np.array([[110.0] * frames, [140.0] * frames])
    found = relations(flat({"boxes": boxes, "x": x, "depth": [0.5, 0.5]}), [ball, adult], strict=True)
    assert found["next_to"][0, 1].all() and found["next_to"][1, 0].all()
    assert not found["in_front_of"].any() and not found["above"].any() and not found["towards"].any()


def test_what_is_nearer_and_overlaps_is_in_front():
    things = [Thing(0, "child", "red", "blue"), Thing(1, "adult", "blue", "black")]
    boxes = np.array([[[100, 150, 120, 215]] * 5, [[95, 110, 125, 195]] * 5])
    found = relations(flat({"boxes": boxes, "x": np.full((2, 5), 110.0), "depth": [0.2, 0.5]}), things, strict=True)
    assert found["in_front_of"][0, 1].all() and found["behind"][1, 0].all()
    assert not found["in_front_of"][1, 0].any() and not found["next_to"].any()


def test_who_runs_after_somebody_chases_and_comes_no_nearer():
    things = [Thing(0, "dog", "brown"), Thing(1, "cat", "white")]
    way = np.arange(20) * 8.0
    x = np.array([40 + way, 100 + way])
    boxes = np.stack([x - 20, np.full_like(x, 170), x + 20, np.full_like(x, 200)], axis=-1)
    found = relations(flat({"boxes": boxes, "x": x, "depth": [0.5, 0.5]}), things, strict=True)
    middle = slice(3, 17)
    assert found["chase"][0, 1, middle].all() and not found["chase"][1, 0].any()
    assert not found["towards"][0, 1, middle].any()


def test_runs_and_bridges():
    mask = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], dtype=bool)
    assert runs(mask) == [(1, 3), (4, 5), (8, 9)]
    assert runs(bridged(mask, 1)) == [(1, 5), (8, 9)]
    assert runs(np.zeros(4, dtype=bool)) == []


# --- sentences


def words_of(groups) -> set[str]:
    return {w for options in groups.values() for o in options for w in ((o,) if isinstance(o, str) else o)}


def test_some_words_occur_in_test_only():
    new = words_of(TEST_VERBS) | words_of(TEST_NOUNS) | words_of(TEST_PREPOSITIONS) | words_of(TEST_SCENES)
    usual = words_of(VERBS) | words_of(NOUNS) | words_of(PREPOSITIONS) | set(CATEGORIES)
    assert not new & usual
    train = [s.text for k in range(8) for r in plan_video(5, 1, k, test=False).records for s in r.sentences]
    assert not [w for w in new for text in train if re.search(rf"\b{w}\b", text)]


@pytest.mark.parametrize("test", [False, True])
def test_captions_and_questions_read_like_vidstg(test):
    rng = np.random.default_rng(0)
    writer = Writer(rng, test)
    for predicate, act in ACTS.items():
        for subject in act.subjects:
            other = None if act.others is None else act.others[0]
            things = draw_cast(rng, [subject] if other is None else [subject, other])
            told = [Description(t, attribute_sets(t)[int(rng.integers(len(attribute_sets(t))))]) for t in things]
            d, o = told[0], told[1] if len(told) > 1 else None
            caption = writer.caption(predicate, d, o, "grass", (2, "dog"))
            question = writer.question(predicate, d, o, "grass", asks_subject=o is None or bool(rng.random() < 0.5))
            assert re.fullmatch(r"(there is )?(a|an|the) [a-z ]+\.", caption), caption
            assert re.fullmatch(r"(who|what) (is|does|[a-z]+s)? ?[a-z ]+\?", question), question
            assert "  " not in caption + question and " a a" not in caption
            assert not re.search(r"\ba [aeio]|\ban [^aeiou]", caption + question), caption + question


def test_a_description_fits_its_thing_and_no_other_colour():
    red, blue = Thing(0, "adult", "red", "black", "white"), Thing(1, "adult", "blue", "black", "white")
    for told in attribute_sets(red):
        assert Description(red, told).fits(red)
        assert Description(red, told).fits(blue) == ("top" not in told)
    assert not Description(red).fits(Thing(2, "child", "red", "black"))


# --- files


def test_records_have_vidstgs_keys(drawn):
    for split in ("train", "val", "test"):
        ids = json.loads((drawn / f"{split}_files.json").read_text())
        for record in json.loads((drawn / f"{split}_annotations.json").read_text()):
            assert set(record) == VIDSTG_KEYS
            assert record["vid"] in ids
            tids = {o["tid"] for o in record["subject/objects"]}
            used, truth, segment = record["used_relation"], record["temporal_gt"], record["used_segment"]
            assert used["subject_tid"] in tids and (used["object_tid"] is None or used["object_tid"] in tids)
            assert segment["begin_fid"] <= truth["begin_fid"] < truth["end_fid"] <= segment["end_fid"] + 1
            assert segment["end_fid"] < record["frame_count"]
            assert len(record["captions"]) == 1 and len(record["questions"]) <= 1
            for sentence in record["captions"] + record["questions"]:
                assert set(sentence) == {"description", "type", "target_id"}
                assert sentence["target_id"] in (used["subject_tid"], used["object_tid"])
                assert sentence["type"] in ("person", "object")


def test_records_have_the_keys_of_the_real_ones(drawn, test_data):
    real = json.loads((test_data / "vidstg" / "val_annotations.json").read_text())[0]
    ours = json.loads((drawn / "train_annotations.json").read_text())[0]
    assert set(real) == set(ours)
    for key in ("used_segment", "used_relation", "temporal_gt"):
        assert set(real[key]) == set(ours[key])


def test_trajectories_are_vidors(drawn):
    notes = sorted((drawn / "vidor" / "annotation").rglob("*.json"))
    assert len(notes) == 4
    assert {p.relative_to(drawn / "vidor" / "annotation").parts[0] for p in notes} == {"training", "validation"}
    for path in notes:
        note = json.loads(path.read_text())
        assert (drawn / "vidor" / "video" / note["video_path"]).exists()
        assert len(note["trajectories"]) == note["frame_count"]
        tids = {o["tid"] for o in note["subject/objects"]}
        for boxes in note["trajectories"]:
            for box in boxes:
                b = box["bbox"]
                assert box["tid"] in tids
                assert 0 <= b["xmin"] < b["xmax"] <= WIDTH and 0 <= b["ymin"] < b["ymax"] <= HEIGHT


def test_the_version_is_declared(drawn):
    about = json.loads((drawn / "world.json").read_text())
    assert about["version"] == dataset.VERSION == 1
    assert about["seed"] == SEED and about["videos"] == {"train": 2, "val": 1, "test": 1}


def test_describe_prints_tables_and_writes_them(drawn, tmp_path):
    result = CliRunner().invoke(describe_world.main, [str(drawn), "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "world.json").read_text())
    assert facts["version"] == dataset.VERSION and facts["videos"] == {"train": 2, "val": 1, "test": 1}
    assert facts["impossible_share"] <= 0.02
    assert 0 <= facts["chance"] <= 1 and len(facts["shortcuts"]) >= 5
    assert "## Predicates" in result.output and (tmp_path / "world.md").read_text() in result.output


def test_describe_without_the_artifacts_is_one_line(drawn, tmp_path):
    options = ["--artifacts", str(tmp_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(describe_world.main, [str(drawn), *options])
    assert result.exit_code == 1 and "truth_test.h5: no such artifact" in result.output
    assert not (tmp_path / "out").exists()


def test_first_mentioned_is_a_word_and_no_part_of_one():
    boxes = {tid: np.zeros((5, 4)) for tid in range(3)}
    sample = describe_world.Sample(
        name="v/0/questions/0",
        split="test",
        kind="questions",
        text="what is carrying the child past an automobile?",
        target=0,
        predicate="carry",
        span=(0, 5),
        segment=(0, 5),
        frames=5,
        boxes=boxes,
        categories={0: "horse", 1: "child", 2: "car"},
        size=(320, 240),
        hardness={},
    )
    assert describe_world.first_mentioned(sample) == [1]


def test_the_two_sizes():
    assert sum(dataset.SIZES["demo"].values()) == 100
    assert sum(dataset.SIZES["demo_full"].values()) >= 600 and dataset.SIZES["demo_full"]["test"] >= 150


def test_a_cast_shares_colours():
    casts = [draw_cast(np.random.default_rng(k), ["dog"] * 3) for k in range(30)]
    shared = [len({t.colour for t in cast}) < 3 for cast in casts]
    assert 0.4 < np.mean(shared) < 0.95


def test_staging_without_film_has_no_boxes():
    video = stage_video(np.random.default_rng(0), 0, "jump", film=False)
    assert not video.geometry.boxes.any() and len(video.actors) == len(video.things)
    assert all(HEIGHTS[t.category] > 0 for t in video.things)
