"""`vcma convert tubes`: tracks of every format become the same tubes, and what does not fit is told."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pycocotools import mask as coco_mask

from tests.conftest import make_tubes
from tests.datasets.examples import lay_out, record
from tests.evaluation.predictions_files import configure
from vcma.__main__ import main
from vcma.datasets import vidstg
from vcma.pipeline import artifact, schemas

WIDTH, HEIGHT, FPS, FRAMES = 64, 48, 25.0, 50  # of the videos 100 and 200
# (frame, track, x, y, w, h), a whole number of pixels each: track 7 moves, track 2 is short.
BOXES = [(0, 7, 10, 20, 30, 20), (1, 7, 11, 20, 30, 20), (2, 7, 12, 20, 30, 20), (1, 2, 50, 5, 8, 8)]


@pytest.fixture
def project(tmp_path):
    data, block = lay_out(tmp_path, {"test": [record("100"), record("200")]})
    index = vidstg.index(data, block, tmp_path, videos=False)
    configure(tmp_path, block)
    artifact.write(schemas.SAMPLES, tmp_path / "artifacts" / "vidstg" / "samples.h5", index.samples, {}, {})
    return tmp_path


def convert(root, *arguments, code=0):
    given = ["convert", "tubes", *map(str, arguments), "--name", "tracker", "--config", str(root / "pipeline.yaml")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == code, done.output
    return done.stderr


def tubes(root, video="100"):
    return artifact.read(schemas.TUBES, root / "artifacts" / "vidstg" / "tubes" / f"{video}.h5")


def mot(root, lines, video="100"):
    (root / "mot").mkdir(exist_ok=True)
    (root / "mot" / f"{video}.txt").write_text("".join(f"{','.join(map(str, line))}\n" for line in lines))
    return root / "mot"


def as_mot(root):
    return [mot(root, [(f + 1, t, x, y, w, h, 1, -1, -1, -1) for f, t, x, y, w, h in BOXES]), "--from", "mot"]


def as_ultralytics(root):
    labels = root / "track" / "labels"
    labels.mkdir(parents=True)
    for f, t, x, y, w, h in BOXES:
        numbers = (x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT
        with open(labels / f"100_{f + 1}.txt", "a") as file:
            file.write(f"0 {' '.join(map(str, numbers))} 1 {t}\n")
    return [root / "track", "--from", "ultralytics"]


def coco(root, annotations):
    images = [{"id": f, "video_id": 3, "frame_id": f} for f in range(3)]
    content = {"videos": [{"id": 3, "name": "100"}], "images": images, "annotations": annotations}
    (root / "coco.json").write_text(json.dumps(content))
    return [root / "coco.json", "--from", "coco"]


def as_coco_video(root):
    return coco(root, [{"image_id": f, "instance_id": t, "bbox": box} for f, t, *box in BOXES])


def picture(boxes):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for t, x, y, w, h in boxes:
        mask[y : y + h, x : x + w] = t
    return mask


def as_rle(root):
    annotations = []
    for f, t, *box in BOXES:
        rle = coco_mask.encode(np.asfortranarray(picture([(1, *box)])))
        annotations.append(
            {"image_id": f, "instance_id": t, "segmentation": rle | {"counts": rle["counts"].decode()}}
        )
    return coco(root, annotations)


def as_youtube_vis_results(root):
    names = [f"100/{f:05d}.jpg" for f in range(3)]
    (root / "videos.json").write_text(
        json.dumps({"videos": [{"id": 3, "file_names": names, "width": 64, "height": 48}]})
    )
    found = {}
    for f, t, *box in BOXES:
        rle = coco_mask.encode(np.asfortranarray(picture([(1, *box)])))
        found.setdefault(t, [None] * 3)[f] = rle | {"counts": rle["counts"].decode()}
    results = [{"video_id": 3, "score": 1.0, "segmentations": masks} for masks in found.values()]
    (root / "results.json").write_text(json.dumps(results))
    return [root / "results.json", "--from", "coco", "--videos", root / "videos.json"]


def as_palette(root):
    (root / "masks" / "100").mkdir(parents=True)
    for f in range(3):
        image = Image.fromarray(picture([(t, *box) for g, t, *box in BOXES if g == f]))
        image.putpalette([v for i in range(256) for v in (i, 255 - i, 7)])
        image.save(root / "masks" / "100" / f"{f:05d}.png")
    return [root / "masks", "--from", "masks"]


def as_object_folders(root):
    for f, t, *box in BOXES:
        folder = root / "masks" / "100" / f"{t:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture([(255, *box)])).save(folder / f"{f:05d}.png")
    return [root / "masks", "--from", "masks"]


@pytest.mark.parametrize(
    "lay_out_tracks",
    [as_mot, as_ultralytics, as_coco_video, as_rle, as_youtube_vis_results, as_palette, as_object_folders],
)
def test_every_format_gives_the_same_tubes(project, lay_out_tracks):
    told = convert(project, *lay_out_tracks(project), "--class-name", "person")
    found = tubes(project)
    assert found["point_offset"].tolist() == [0, 3, 4] and found["position"].tolist() == [0, 1, 2, 1]
    boxes = [[10, 20, 40, 40], [11, 20, 41, 40], [12, 20, 42, 40], [50, 5, 58, 13]]
    assert np.allclose(found["box"], boxes, atol=1e-4)
    # Frames that were looked at in vain are sampled, too.
    assert found["frame"].tolist() == list(range(FRAMES)) and np.allclose(found["time"], np.arange(FRAMES) / FPS)
    assert found["class_name"].tolist() == ["person"] and found["class_prob"].tolist() == [[1], [1]]
    assert found["tube_score"].tolist() == pytest.approx([3 / 50, 1 / 50]) and str(found["detector"]) == "tracker"
    assert "1 videos of the data set without tracks, e.g. 200" in told
    assert "convert: 1 videos, 2 tubes, 0 empty, 0 skipped" in told


@pytest.mark.parametrize("stored", ["file.npy", "folder/100.npy", "file.h5", "folder/100.h5"])
def test_features_are_read_by_row(project, stored):
    rows = [(2, 7, 11, 20, 30, 20, 1), (1, 7, 10, 20, 30, 20, 1), (1, 3, 0, 0, 5, 5, 0), (1, 2, 50, 5, 8, 8, 1)]
    array = np.arange(8, dtype=np.float64).reshape(4, 2)
    path = project / stored
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        with h5py.File(path, "w") as file:
            file["100"] = array
            file["other"] = array[:1]
    features = path.parent if path.parent != project else path
    source = [mot(project, rows), "--from", "mot", "--class-name", "person"]
    convert(project, *source, "--features", features)
    found = tubes(project)
    assert found["feature"].dtype == np.float16 and found["feature"].tolist() == [[2, 3], [0, 1], [6, 7]]


def test_classes_by_number_are_shares_of_a_tubes_points(project):
    rows = [(1, 7, 10, 20, 30, 20, 0.9, 1), (2, 7, 10, 20, 30, 20, 0.5, 0), (3, 7, 10, 20, 30, 20, 0.4, 0)]
    (project / "names").write_text("person\ndog\n")
    source = [mot(project, rows), "--from", "mot", "--classes", project / "names"]
    convert(project, *source)
    found = tubes(project)
    assert found["class_name"].tolist() == ["person", "dog"]
    assert np.allclose(found["class_prob"], [[2 / 3, 1 / 3]], atol=1e-3)
    assert np.allclose(found["score"], [0.9, 0.5, 0.4])
    assert "class 0 has no name" in convert(project, *source, "--first-class", "1", code=1)


def test_of_many_tracks_those_are_kept_that_matter_most(project):
    crowd = [(f, t, 10 + t, 20, 30, 20, 0.9) for f in range(1, 11) for t in (1, 2, 3)]
    alone = [(f, 9, 0, 0, 8, 8, 0.9) for f in range(20, 26)]
    told = convert(project, mot(project, crowd + alone), "--from", "mot", "--class-name", "x", "--max-tubes", "2")
    assert np.diff(tubes(project)["point_offset"]).tolist() == [10, 6]
    assert "left out: 2 tracks beyond the best 2 of a video (--max-tubes), e.g. 100" in told


def test_what_cannot_be_used_is_counted(project):
    rows = [
        *(1, 7, 10, 20, 30, 20, 1), *(2, 7, 10, 20, 30, 20, 0), *(3, -1, 10, 20, 30, 20, 1),
        *(4, 7, 100, 20, 30, 20, 1), *(5, 7, "nan", 20, 30, 20, 1), *(6, 7, 10, 20, 30, 0, 1),
        *(51, 7, 1, 1, 2, 2, 1),
        *(7, 7, 10, 20, 30, 20, 0.3), *(7, 7, 12, 20, 30, 20, 0.6), *(8, 7, 50, 20, 30, 20, 1.5),
    ]  # fmt: skip
    rows = [rows[i : i + 7] for i in range(0, len(rows), 7)]
    (project / "mot").mkdir()
    (project / "mot" / "elsewhere.txt").write_text("")
    told = convert(project, mot(project, rows), "--from", "mot", "--class-name", "person")
    for line in (
        "1 boxes marked to be ignored (confidence 0), e.g. 100.txt",
        "1 boxes with a negative id, e.g. 100.txt",
        "2 boxes without area in the frame, e.g. 100",
        "1 boxes or scores that are not finite, e.g. 100",
        "1 boxes in frames after the end of the video, e.g. 100",
        "1 further boxes of a track in one frame, e.g. 100",
        "1 files of videos that the data set does not have, e.g. elsewhere.txt",
    ):
        assert f"left out: {line}\n" in told
    assert "changed: 1 scores clipped to the range from 0 to 1, e.g. 100\n" in told
    found = tubes(project)
    assert found["frame"][found["position"]].tolist() == [0, 6, 7]
    assert found["box"].tolist() == [[10, 20, 40, 40], [12, 20, 42, 40], [50, 20, 64, 40]]
    assert "boxes extended beyond the frame, clipped to it" in told


def test_a_bad_video_among_others_is_skipped_and_told(project):
    mot(project, [(0, 7, 10, 20, 30, 20, 1)], "200")
    source = [mot(project, [(1, 7, 10, 20, 30, 20, 1)]), "--from", "mot", "--class-name", "person"]
    told = convert(project, *source)
    assert (
        "skipped: 200: 200: a frame number is below 1: numbers are probably counted from 0; pass --first-frame 0"
        in told
    )
    assert "convert: 1 videos, 1 tubes, 0 empty, 1 skipped" in told
    assert "pass --first-frame 0" in convert(project, *source, "--strict", code=1)


def test_masks_of_a_smaller_picture_are_scaled_and_those_of_another_shape_refused(project):
    folder = project / "masks" / "100"
    folder.mkdir(parents=True)
    small = Image.fromarray(picture([(1, 10, 20, 30, 20)])).resize((32, 24), Image.Resampling.NEAREST)
    small.save(folder / "00000.png")
    source = [project / "masks", "--from", "masks", "--class-name", "person"]
    convert(project, *source)
    assert tubes(project)["box"].tolist() == [[10, 20, 40, 40]]
    single = [folder, *source[1:], "--video", "100"]
    convert(project, *single)
    assert tubes(project)["box"].tolist() == [[10, 20, 40, 40]]
    small.resize((32, 32)).save(folder / "00000.png")
    assert "its frames are 32 x 32, the video 64 x 48: another aspect ratio" in convert(project, *source, code=1)


def test_pictures_that_are_no_masks_are_one_line(project):
    folder = project / "masks" / "100"
    folder.mkdir(parents=True)
    source = [project / "masks", "--from", "masks", "--class-name", "person"]
    whole = folder / "00000.png"
    Image.fromarray(picture([(1, 10, 20, 30, 20)])).save(whole)
    for name, content, message in (
        ("00001.png", whole.read_bytes()[:-30], "not readable as an image"),
        ("mask.png", whole.read_bytes(), "file name without a frame number"),
    ):
        (folder / name).write_bytes(content)
        told = convert(project, *source, code=1)
        assert message in told and told.count("\n") == 1
        (folder / name).unlink()
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / "00001.png")
    assert "is a colour image (RGB), not a mask" in convert(project, *source, code=1)
    Image.new("L", (8, 6)).save(folder / "00001.png")
    assert "differs in size from the masks before" in convert(project, *source, code=1)


def test_255_is_left_open_beside_other_objects(project):
    folder = project / "masks" / "100"
    folder.mkdir(parents=True)
    mask = picture([(1, 10, 20, 30, 20), (255, 0, 0, 5, 5)])
    Image.fromarray(mask).save(folder / "00000.png")
    told = convert(project, project / "masks", "--from", "masks", "--class-name", "person")
    assert "left out: 1 masks of value 255, which means unlabelled, e.g. 100" in told
    assert tubes(project)["box"].tolist() == [[10, 20, 40, 40]]


def test_every_nth_frame_of_seconds_and_of_a_stride(project):
    rows = [(n, 7, 10 + n, 20, 30, 20, 1) for n in (1, 2, 4)]
    source = [mot(project, rows), "--from", "mot", "--class-name", "person"]
    convert(project, *source, "--stride", "5")
    found = tubes(project)
    assert found["frame"].tolist() == list(range(0, FRAMES, 5)) and found["position"].tolist() == [0, 1, 3]
    seconds = [(0.2 * n, 7, 10 + n, 20, 30, 20, 1) for n in (1, 2, 4)]
    mot(project, seconds)
    convert(project, *source, "--times", "seconds")
    assert tubes(project)["frame"][found["position"]].tolist() == [0, 5, 15]


def test_linked_tubes_are_spared(project):
    place = project / "artifacts" / "vidstg" / "tubes" / "100.h5"
    artifact.write(schemas.TUBES, place, make_tubes(0), {}, {})
    before = place.read_bytes()
    source = [*as_mot(project), "--class-name", "person"]
    assert "was linked here; replace such tubes with --force" in convert(project, *source, code=1)
    assert place.read_bytes() == before
    convert(project, *source, "--force")
    convert(project, *source)  # what was converted may be converted anew
    assert len(tubes(project)["tube_score"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,-1,10,20,30,40,1\n", "all ids are negative: detections, not tracks"),
        ("1,7,10,20\n", "line 1 has 4 fields"),
        ("1,7,10,20,a,b\n", "line 1 contains a field that is not a number"),
        ("1,7.5,10,20,3,3\n", "an id is not an integer"),
        ("1.5,7,10,20,3,3\n", "frame 1.5 is not an integer: is it in seconds?"),
        ("900,7,10,20,3,3\n", "frame 899 of a video of 50 frames: another frame rate or another video"),
    ],
)
def test_a_text_that_is_none_of_tracks_is_one_line(project, text, message):
    (project / "tracks.txt").write_text(text)
    given = [project / "tracks.txt", "--from", "mot", "--class-name", "person", "--video", "100"]
    told = convert(project, *given, code=1)
    assert message in told and told.count("\n") == 1, told
    assert not (project / "artifacts" / "vidstg" / "tubes").exists()


def test_bad_use_is_told(project):
    source = as_mot(project)
    assert "say what the tracks are: --class-name NAME" in convert(project, *source, code=2)
    named = [*source, "--class-name", "person"]
    single = [project / "mot" / "100.txt", *named[1:]]
    assert "does not say which of 2 videos it belongs to; name it with --video" in convert(project, *single, code=1)
    assert "no video '300' in the data set" in convert(project, *single, "--video", "300", code=1)
    assert "give the folder of the masks" in convert(
        project, single[0], "--from", "masks", "--class-name", "x", "--video", "100", code=1
    )
    twice = {"videos": [{"id": i, "name": "100"} for i in (1, 2)], "annotations": []}
    (project / "twice.json").write_text(json.dumps(twice))
    given = [project / "twice.json", "--from", "coco", "--class-name", "x"]
    assert "has the video '100' twice" in convert(project, *given, code=1)
    np.save(project / "few.npy", np.zeros((2, 3)))
    assert "has 2 rows for 4 boxes" in convert(project, *named, "--features", project / "few.npy", code=1)
    np.save(project / "odd.npy", np.array([{}], object))
    assert "not readable as a NumPy array" in convert(project, *named, "--features", project / "odd.npy", code=1)
    (project / "odd.h5").write_bytes(b"no HDF5")
    assert "odd.h5" in convert(project, *named, "--features", project / "odd.h5", code=1)
    assert "no such file or folder" in convert(project, project / "none", *named[1:], code=1)
    (project / "artifacts" / "vidstg" / "samples.h5").unlink()
    assert "python stages/index_dataset.py" in convert(project, *named, code=1)


def test_ultralytics_text_without_ids_or_with_polygons(project):
    labels = project / "labels"
    labels.mkdir()
    (labels / "100_1.txt").write_text("0 0.5 0.5 0.25 0.5 0.9\n")
    source = [labels, "--from", "ultralytics", "--class-name", "person"]
    assert "no box has a track id; run yolo track, not yolo predict" in convert(project, *source, code=1)
    (labels / "100_2.txt").write_text("0 0.25 0.25 0.75 0.5 0.5 1 4\n0 0.25 0.25 0.75 0.5 0.5 1 5\n")
    told = convert(project, *source)  # polygons without confidence; the first file has a box without an id
    assert "left out: 1 boxes without a track id, e.g. 100_1.txt" in told
    assert tubes(project)["box"].tolist() == [[16, 12, 48, 48]] * 2
