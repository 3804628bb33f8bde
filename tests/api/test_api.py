"""The Python API: cheap to import, the same answers as the command line, and one clear line for what is wrong."""

import ast
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import vcma
from tests.api.conftest import make_model
from tests.conftest import ROOT, make_tubes
from tests.text.encoders import save_encoder
from vcma.api.video_tubes import embed, sampled_frames
from vcma.commands.ground import ground_command
from vcma.pipeline import artifact, schemas
from vcma.video.decoding import FrameReader, read_frames

SENTENCES = ["the dog runs and follows the ball", "who is next to the dog?", "a person"]


def test_importing_it_imports_nothing_else():
    code = "import sys, vcma; vcma.__version__; assert not {'numpy', 'click', 'vcma.api'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_type_checkers_see_the_names_that_are_there_all_documented():
    stub = ast.parse((ROOT / "vcma" / "__init__.pyi").read_text())
    named = {a.asname: (n.module, a.name) for n in stub.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert named == {name: (module, name) for name, module in vcma._PUBLIC.items()}
    assert set(vcma.__all__) <= set(dir(vcma)) and sorted(named) == list(vcma._PUBLIC)
    for name in named:
        assert getattr(vcma, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        _ = vcma.lode


def test_its_answers_are_those_of_the_command_line(untrained, project, tmp_path):
    words = [word for sentence in SENTENCES for word in ("--query", sentence)]
    config = ["--config", str(project / "pipeline.yaml"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(ground_command, [str(project / "clip.mp4"), *words, "--untrained", *config])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "out" / "predictions.json").read_text())
    answers = untrained.ground(project / "clip.mp4", SENTENCES)
    assert [answer.sentence for answer in answers] == list(told) == SENTENCES
    for answer in answers:
        assert told[answer.sentence].items() >= answer.to_json().items()


def test_frames_in_memory_are_grounded_like_their_file(untrained, project, frames):
    of_file, of_frames = (
        untrained.ground(project / "clip.mp4", SENTENCES),
        untrained.ground(frames, SENTENCES, fps=12),
    )
    for a, b in zip(of_file, of_frames, strict=True):
        assert a.to_json() == b.to_json()
        assert np.array_equal(a.video.tubes.box, b.video.tubes.box)
    [picture, other] = of_frames[0].video.read([3, 20])
    assert np.array_equal(picture, frames[3]) and np.array_equal(other, frames[20])


def test_an_answer_holds_what_it_was_read_from(untrained, found):
    answer = untrained.ground(found, SENTENCES)[0]
    # Evidence stands pairs first, whatever the order of the sentence.
    assert [r.predicate for r in answer.query.relations] == ["run", "follow"]
    assert [r.predicate for r in answer.relations] == ["follow", "run"]
    M, N, T = len(answer.query.entities), len(found.tubes), len(found.tubes.frame)
    assert answer.posterior.shape == (M, N) and np.allclose(answer.posterior.sum(1), 1, atol=1e-5)
    assert answer.evidence.shape == (2, T) and answer.shown.shape == answer.time.shape == (T,)
    assert answer.probability == pytest.approx(answer.posterior[answer.query.target, answer.tube])
    assert (np.diff(answer.time) > 0).all() and answer.time[0] == 0
    begin, end = answer.span
    assert answer.seconds == pytest.approx((begin / 12, end / 12)) and len(answer.frame) == len(answer.box)
    assert set(answer.frame.tolist()) <= set(range(begin, end)) and 0 <= answer.absent <= 1
    assert untrained.ground(found, SENTENCES[0])[0].to_json() == answer.to_json()
    assert untrained.ground(found, []) == []


def test_answers_are_drawn(untrained, found, tmp_path):
    [answer] = untrained.ground(found, "the dog")
    strip = answer.draw(3)
    assert strip.dtype == np.uint8 and strip.shape == (64, 3 * 96, 3)
    # The outline is amber, RGB.
    assert ((strip.astype(int) - (244, 160, 0)) ** 2).sum(-1).min() < 1000
    answer.write_film(tmp_path / "answer.mp4")
    assert len(list(read_frames(tmp_path / "answer.mp4", np.arange(100)))) == 24


def test_tubes_are_kept_and_read_again(untrained, found, project, tmp_path):
    found.save(tmp_path / "tubes.h5")
    again = untrained.read_tubes(project / "clip.mp4", tmp_path / "tubes.h5")
    assert [a.to_json() for a in untrained.ground(again, SENTENCES)] == [
        a.to_json() for a in untrained.ground(found, SENTENCES)
    ]
    columns = vcma.read_artifact(tmp_path / "tubes.h5")
    assert np.array_equal(columns["box"], found.tubes.box) and list(columns) == list(schemas.TUBES.columns)
    assert list(vcma.read_artifact(str(tmp_path / "tubes.h5"), ["score"])) == ["score"]
    told = vcma.artifact_info(tmp_path / "tubes.h5")
    assert told["schema"] == schemas.TUBES.tag and told["params"]["link_tubes"]["alpha"] == 0.5


def test_embeddings_are_made_of_the_frames_that_tubes_are_made_of(project, tmp_path, monkeypatch):
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["encoder"] = str(save_encoder(tmp_path / "clip"))
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    decoded, read, shown = [], FrameReader.read, []
    monkeypatch.setattr(FrameReader, "read", lambda self, frames: decoded.append(1) or read(self, frames))
    pipeline = vcma.load(config=tmp_path / "pipeline.yaml", untrained=True)
    video = pipeline.find_tubes(project / "clip.mp4", watch=lambda items, total, what: shown.append(what) or items)
    [answer] = pipeline.ground(video, "the dog")
    assert len(decoded) == 1 and "embed" in shown
    # Those of an artifact are read, where they are of the same tubes and encoder.
    video.save(tmp_path / "tubes.h5")
    frames = sampled_frames(video.pictures, pipeline.project.section("extract_frames"))
    columns = embed(pipeline.embedding_encoder(), frames, video.tubes, **pipeline.project.section("embed_tubes"))
    tubes = vcma.artifact_info(tmp_path / "tubes.h5")["content"]
    artifact.write(schemas.EMBEDDINGS, tmp_path / "embeddings.h5", columns, {}, {"tubes": tubes})
    given = project / "clip.mp4", tmp_path / "tubes.h5"
    decoded.clear()
    again = pipeline.ground(pipeline.read_tubes(*given, embeddings=tmp_path / "embeddings.h5"), "the dog")
    assert again[0].to_json() == answer.to_json() and not decoded
    artifact.write(schemas.EMBEDDINGS, tmp_path / "old.h5", columns, {}, {"tubes": "other"})
    with pytest.raises(vcma.InputError, match="computed from other tubes"):
        pipeline.read_tubes(*given, embeddings=tmp_path / "old.h5")
    columns["encoder"] = "clip:other.1 context 0.15"
    artifact.write(schemas.EMBEDDINGS, tmp_path / "other.h5", columns, {}, {"tubes": tubes})
    with pytest.raises(vcma.InputError, match=r"is by encoder clip:other.1 context 0.15, not clip:"):
        pipeline.read_tubes(*given, embeddings=tmp_path / "other.h5")


def test_beta_weighs_the_relations_and_zero_reads_none(untrained, found):
    def posterior(**changes):
        return untrained.with_settings(**changes).ground(found, SENTENCES[:1])[0].posterior

    assert np.array_equal(posterior(), posterior(beta=1.0))
    assert not np.allclose(posterior(), posterior(beta=3))
    alone = untrained.with_settings(beta=0)
    both = alone.ground(found, ["the dog follows the ball", "the dog rides the ball"])
    assert np.allclose(both[0].posterior, both[1].posterior) and "beta=0" in repr(alone)


def test_a_trained_model_answers_by_its_settings_or_changed_ones(project, found, model, tmp_path):
    config = project / "pipeline.yaml"
    trained = vcma.load(config=config, model=model)
    other = vcma.load(config=config, model=make_model(tmp_path / "other", found.tubes, beta=0.25, margin=0.0))
    changed, others = trained.with_settings(beta=0.25).with_settings(margin=0.0), other.ground(found, SENTENCES)
    assert not np.allclose(trained.ground(found, SENTENCES)[0].posterior, others[0].posterior)
    for a, b in zip(changed.ground(found, SENTENCES), others, strict=True):
        assert np.array_equal(a.posterior, b.posterior) and np.array_equal(a.shown, b.shown)


def test_tubes_that_a_model_cannot_read_are_refused(project, found, model, tmp_path):
    trained = vcma.load(config=project / "pipeline.yaml", model=model)
    columns = found.tubes.columns()

    def refused(told, **changes):
        artifact.write(schemas.TUBES, tmp_path / "tubes.h5", columns | changes, {}, {})
        with pytest.raises(vcma.InputError, match=told):
            trained.read_tubes(project / "clip.mp4", tmp_path / "tubes.h5")

    refused("are tubes of detector x, the model needs those of", detector="x")
    refused("has features of width 1, the model", feature=columns["feature"][:, :1])
    refused("class_name differs from", class_name=np.array(["cat", *columns["class_name"][1:]], object))
    # In another order they are the same.
    order = np.arange(len(columns["class_name"]))[::-1]
    shuffled = {"class_name": columns["class_name"][order], "class_prob": columns["class_prob"][:, order]}
    artifact.write(schemas.TUBES, tmp_path / "tubes.h5", columns | shuffled, {}, {})
    again = trained.read_tubes(project / "clip.mp4", tmp_path / "tubes.h5")
    assert [a.to_json() for a in trained.ground(again, SENTENCES)] == [
        a.to_json() for a in trained.ground(found, SENTENCES)
    ]


@pytest.mark.parametrize(
    ("video", "fps", "told"),
    [
        ("none.mp4", None, "none.mp4: no such video; check its path"),
        ("clip.mp4", 25, "has times of its own; omit fps"),
        (np.zeros((2, 8, 8, 3), np.uint8), None, "have no frame rate; give fps"),
        (np.zeros((2, 8, 8, 3), np.uint8), 0, "have the frame rate 0; give fps"),
        (np.zeros((2, 8, 8, 3), np.uint8), float("nan"), "have the frame rate nan"),
        (np.zeros((2, 8, 8, 3)), 25, r"are float64 \[2, 8, 8, 3\]; give uint8"),
        (np.zeros((8, 8, 3), np.uint8), 25, r"are uint8 \[8, 8, 3\]; give uint8"),
        (np.zeros((2, 8, 8, 4), np.uint8), 25, r"are of shape \[2, 8, 8, 4\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), 25, r"are of shape \[0, 8, 8, 3\]"),
        ([1, 2], 25, "are list; give uint8"),
    ],
)
def test_what_is_no_video_is_told(untrained, video, fps, told):
    with pytest.raises(vcma.InputError, match=told):
        untrained.ground(video, "a dog", fps)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"betta": 1}, "'betta' is not a setting .* did you mean 'beta'?"),
        ({"label_prior": 1}, "'label_prior' is not a setting that can be changed"),
        ({"beta": -1}, "beta: -1 is not a number in its range"),
        ({"beta": "1"}, "beta: '1' is not a number"),
        ({"beta": True}, "beta: True is not a number"),
        ({"kappa": 0}, "kappa: 0 is not a number in its range"),
        ({"margin": float("inf")}, "margin: inf is not a number in its range"),
        ({"throughout": 1.5}, "throughout: 1.5 is not a number in its range"),
        ({"refinements": 1.5}, "refinements: 1.5 is not an integer"),
        ({"time": "spans"}, "time: 'spans' is unknown; choose one of span, frames, whole"),
    ],
)
def test_settings_that_cannot_be_are_told(untrained, settings, told):
    with pytest.raises(vcma.InputError, match=told):
        untrained.with_settings(**settings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "m", "untrained": True}, "m: untrained cannot be combined with a model"),
        ({}, "no trained model; train one"),
        ({"model": "m"}, "m: no trained model"),
        ({"untrained": True, "device": "cuda:99"}, "torch finds no cuda:99 here"),
        ({"dataset": "clip", "untrained": True}, "did you mean 'clips'"),
    ],
)
def test_what_cannot_be_loaded_is_told(project, given, told):
    with pytest.raises(vcma.InputError, match=told):
        vcma.load(config=project / "pipeline.yaml", **given)


def test_the_nearest_project_is_the_one(project, tmp_path, monkeypatch):
    (project / "below").mkdir(exist_ok=True)
    monkeypatch.chdir(project / "below")
    assert vcma.load(untrained=True).project.root == project.resolve()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vcma.InputError, match="no trained model"):  # the clone's own pipeline.yaml, without a model
        vcma.load("hcstvg")


def test_what_is_no_artifact_or_of_another_video_is_told(untrained, project, found, tmp_path):
    with pytest.raises(vcma.InputError, match="no such"):
        vcma.read_artifact(tmp_path / "none.h5")
    (tmp_path / "a.h5").write_bytes(b"no")
    for ask in (vcma.read_artifact, vcma.artifact_info):
        with pytest.raises(vcma.InputError, match=r"a\.h5"):
            ask(tmp_path / "a.h5")
    found.save(tmp_path / "tubes.h5")
    with pytest.raises(vcma.InputError, match="has no column 'scores'; did you mean 'score'"):
        vcma.read_artifact(tmp_path / "tubes.h5", ["box", "scores"])
    artifact.write(schemas.TUBES, tmp_path / "long.h5", make_tubes(0), {}, {})
    with pytest.raises(vcma.InputError, match="has 24 frames, the tubes are up to frame 33; give the video"):
        untrained.read_tubes(project / "clip.mp4", tmp_path / "long.h5")


def test_frames_that_are_not_there_are_told(found):
    for frames in ([-1, 3], [3, 24]):
        with pytest.raises(vcma.InputError, match="has frames 0 to 23, but"):
            found.read(frames)
    assert found.read([]) == []


def test_sentences_are_read(untrained, found):
    with pytest.raises(vcma.InputError, match="sentence 1 is not a str but int; give str"):
        untrained.ground(found, ["a dog", 1])
    [query] = vcma.parse("who follows the red ball?")
    assert query.kind == "interrogative" and [e.head for e in query.entities] == ["who", "ball"]
    assert [q.text for q in vcma.parse(SENTENCES)] == SENTENCES


def test_the_documented_examples_run_and_every_name_is_documented(project, tmp_path, monkeypatch, capsys):
    document = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", document, re.S)
    assert len(blocks) == 3
    for name in ("pipeline.yaml", "clip.mp4"):
        (tmp_path / name).write_bytes((project / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    assert re.match(r"the person next to the dog \(0\.0, .*\) person 0\.\d+ \[\]\nwho", capsys.readouterr().out)
    assert (tmp_path / "answer.mp4").exists() and len(names["scores"]) == len(names["video"].tubes)
    table = "".join(line for line in document.splitlines() if line.startswith("| "))
    for name in vcma.__all__:
        assert f"`{name}" in table or name == "__version__", name
