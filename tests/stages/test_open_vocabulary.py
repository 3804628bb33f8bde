"""The pipeline with a detector that is prompted: unchanged prompts are skipped, others read no sentence."""

from importlib import import_module

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from tests.detection.tiny_grounding_dino import FIXED, tiny_block, tiny_grounding_dino
from tests.faults import workshop
from tests.faults.workshop import artifacts, contents
from vcma.commands.ground import ground_command
from vcma.pipeline import artifact, schemas

VIDEOS = 3


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    quick = {"detect_proposals": {"score_threshold": 0.0}, "extract_frames": {"rate": 6}}
    folder = workshop.make_project(tmp_path_factory.mktemp("prompted"), VIDEOS, 10)
    tiny_grounding_dino(folder / "detectors" / "dino")
    configure(folder, tiny_block("detectors/dino"), **quick)
    for stage in ("index_dataset", "extract_frames", "parse_queries"):
        run(folder, stage)
    return folder


def configure(project, detector, **sections):
    """Choose a detector, and change values of pipeline.yaml."""
    config = yaml.safe_load((project / "pipeline.yaml").read_text())
    config["datasets"]["clips"]["detector"] = detector
    for name, values in sections.items():
        config[name] |= values
    (project / "pipeline.yaml").write_text(yaml.safe_dump(config))


def run(project, stage, *words, code=0):
    """Run a stage in this process, which has transformers loaded, and return what it said."""
    jobs = ("--jobs", "1") if stage in workshop.PER_VIDEO else ()
    return call(getattr(import_module(f"stages.{stage}"), stage), project, *jobs, *words, code=code)


def call(command, project, *words, code=0):
    done = CliRunner().invoke(command, [*map(str, words), "--config", str(project / "pipeline.yaml")])
    assert done.exit_code == code, done.output + repr(done.exception)
    return done.output


def say(project, number, sentence):
    """Another sentence about one of the videos."""
    path = project / "data" / "clips" / "clips.csv"
    lines = path.read_text().splitlines()
    lines[1 + number] = f'clip{number:03}.mp4,"{sentence}"'
    path.write_text("\n".join(lines) + "\n")
    for stage in ("index_dataset", "parse_queries"):
        run(project, stage)


def named(project):
    """Of each video the classes that its sentences gave the detector, behind those of every video."""
    found = {}
    for path in sorted(artifacts(project).glob("proposals/*.h5")):
        data = artifact.read(schemas.PROPOSALS, path)
        assert data["class_name"].tolist()[: len(FIXED)] == list(FIXED)
        found[path.stem.removesuffix(".mp4")] = data["class_name"][data["prompted"]].tolist()
    return found


def test_a_new_sentence_detects_its_video_anew_and_no_other(project):
    told = run(project, "detect_proposals")
    # person, dog, ball, red ball, small dog; of the names of every video none is asked for twice.
    assert "prompted with 5 noun phrases from the sentences of all splits, val and test included" in told
    assert named(project) == {"clip000": [], "clip001": ["ball", "red ball"], "clip002": ["small dog"]}
    before = contents(artifacts(project) / "proposals")
    try:
        say(project, 1, "who follows the zebra?")
        assert f"{VIDEOS - 1} up to date" in run(project, "detect_proposals")
        assert named(project)["clip001"] == ["zebra"]
        # Other words for the same things are the same prompt.
        say(project, 1, "a zebra is in front of a person")
        assert f"{VIDEOS} up to date" in run(project, "detect_proposals")
    finally:
        say(project, 1, workshop.SENTENCES[1])
        run(project, "detect_proposals")
    assert contents(artifacts(project) / "proposals") == before


def test_tubes_of_different_classes_are_learned_from_and_grounded(project, tmp_path):
    for stage in ("detect_proposals", "link_tubes", "train_em", "ground_queries"):
        run(project, stage)
    made = artifacts(project)
    for name in ("clip000.mp4.h5", "clip001.mp4.h5"):
        tubes = artifact.read(schemas.TUBES, made / "tubes" / name)
        proposals = artifact.read(schemas.PROPOSALS, made / "proposals" / name)
        assert len(tubes["tube_score"]) and np.array_equal(tubes["prompted"], proposals["prompted"])
    assert (artifact.read(schemas.PREDICTIONS, made / "predictions.h5")["tube"] >= 0).all()
    run(project, "ground_queries", "--untrained")
    clip = project / "data" / "clips" / "clip000.mp4"
    for options in ((), ("--untrained",)):
        words = (clip, "--query", "the lion in a red coat", "--out", tmp_path, *options)
        told = call(ground_command, project, *words)
        asked = "lion, lion in red coat, besides 3 common names"
        assert f"note: the detector is prompted with: {asked}" in told
        assert "no class 'lion'" not in told


def test_without_parsed_sentences_one_line_says_what_to_run(project):
    queries = artifacts(project) / "queries.h5"
    kept = queries.read_bytes()
    try:
        queries.unlink()
        told = run(project, "detect_proposals", code=1)
        assert told.startswith("error: ") and "python stages/parse_queries.py" in told and told.count("\n") == 1
    finally:
        queries.write_bytes(kept)


def test_other_detectors_neither_read_the_sentences_nor_run_again_for_them(project):
    queries = artifacts(project) / "queries.h5"
    kept = queries.read_bytes()
    try:
        configure(project, workshop.tiny_network(project))
        queries.unlink()
        assert "prompted" not in run(project, "detect_proposals")
        for path in artifacts(project).glob("proposals/*.h5"):
            assert set(artifact.attributes(path, schemas.PROPOSALS)["inputs"]) == {"frames", "detector"}
        queries.write_bytes(kept)
        say(project, 1, "who follows the zebra?")
        assert f"{VIDEOS} up to date" in run(project, "detect_proposals")
    finally:
        configure(project, tiny_block("detectors/dino"))
        say(project, 1, workshop.SENTENCES[1])
