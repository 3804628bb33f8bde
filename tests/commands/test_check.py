"""`vcma check`: its table, exit code, list of what to skip, and estimate; what it says of a bad configuration."""

import csv
import json

import pytest
import yaml
from click.testing import CliRunner

from tests.commands.real_videos import damage, healthy, write_video
from tests.conftest import ROOT
from tests.datasets.examples import record
from vcma.commands.check import check_command
from vcma.datasets.formats import READERS
from vcma.datasets.skip_list import SKIP_FILE


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "good.mp4"
    write_video(path)
    return path.read_bytes()


def project(root, block, **changes):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config |= {"dataset": "vidstg", "datasets": {"vidstg": block}} | changes
    (root / "pipeline.yaml").write_text(yaml.safe_dump(config))
    return ["--config", str(root / "pipeline.yaml")]


def test_the_command_writes_a_table_and_its_exit_code_tells(tmp_path, clip):
    _, block = healthy(tmp_path, clip, {"test": [record(questions=[]), record("200", questions=[])]})
    arguments = project(tmp_path, block)
    assert CliRunner().invoke(check_command, arguments).exit_code == 0
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(damage(clip, "cut"))
    result = CliRunner().invoke(check_command, [*arguments, "--table", str(tmp_path / "t.tsv")])
    assert result.exit_code == 1 and "video truncated" in result.stdout
    rows = list(csv.DictReader((tmp_path / "t.tsv").read_text().splitlines(), delimiter="\t"))
    assert [row["id"] for row in rows if row["blocks"] == "yes"] == ["200"]
    assert not list(tmp_path.glob(".*partial"))


def test_fix_index_writes_what_the_reader_then_skips(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(questions=[]), record("200", questions=[])]})
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(damage(clip, "cut"))
    result = CliRunner().invoke(check_command, project(tmp_path, block))
    assert result.exit_code == 1 and "--fix-index writes the blocking items" in result.stderr
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert result.exit_code == 0 and "1 ids are skipped by" in result.stderr
    assert CliRunner().invoke(check_command, project(tmp_path, block)).exit_code == 0
    assert list(json.loads((data / SKIP_FILE).read_text())) == ["200"]
    samples = READERS["vidstg"](data, block, tmp_path, strict=True).samples
    assert samples["video"].tolist() == ["100"]
    assert samples["skipped_reason"][0].startswith("listed in skip.json: video truncated: ")
    # A mended video leaves the list at the next run.
    (tmp_path / "vidor" / "video" / "200.mp4").write_bytes(clip)
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert result.exit_code == 0 and json.loads((data / SKIP_FILE).read_text()) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "none"}, "has no block under 'datasets:'"),
        (
            {"datasets": {"vidstg": {"format": "coco"}}},
            "unknown format 'coco'; choose one of vidstg, hcstvg, clips",
        ),
        ({"datasets": {"vidstg": {"format": "vidstg", "videos": "nowhere"}}}, "nowhere: no such folder"),
    ],
)
def test_the_command_on_bad_configuration(tmp_path, clip, changes, message):
    _, block = healthy(tmp_path, clip)
    result = CliRunner().invoke(check_command, project(tmp_path, block, **changes))
    assert result.exit_code == 1 and result.stderr.startswith("error: ") and message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_parameters_of_every_stage_are_tried(tmp_path, clip):
    """Hours before the stage that would end with them."""
    _, block = healthy(tmp_path, clip, {"test": [record(questions=[])]})
    good = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    for stage, change, told in (
        ("link_tubes", {"alpha": 2}, "2.0 is not in the range 0<=x<=1"),
        ("ground_queries", {"posterior": "r"}, "'r' is not one of 'p', 'q', 'both'"),
        ("render_report", {"exmples": 3}, "has the key 'exmples'"),
        ("train_em", {"text": "no/such folder"}, "no/such folder"),
        ("train_em", {"prompts": "a photo"}, "'a photo' does not contain {} exactly once"),
        ("parse_queries", {"model": "no_such_model"}, "spaCy model no_such_model is not installed"),
    ):
        result = CliRunner().invoke(check_command, project(tmp_path, block, **{stage: good[stage] | change}))
        assert (
            result.exit_code == 1 and f"parameters unusable: the stage would fail; e.g. {stage} " in result.stdout
        )
        assert told in result.stdout and "1 findings, 1 blocking" in result.stderr
    result = CliRunner().invoke(check_command, project(tmp_path, block | {"encoder": "no/such encoder"}))
    assert result.exit_code == 1 and "embed_tubes" in result.stdout and "no such encoder" in result.stdout
    assert CliRunner().invoke(check_command, project(tmp_path, block)).exit_code == 0


def test_only_what_remains_after_the_skip_list_is_counted_and_estimated(tmp_path, clip):
    data, block = healthy(tmp_path, clip, {"test": [record(), record("200", questions=[])], "val": [record("300")]})
    (data / SKIP_FILE).write_text(json.dumps({"200": "mine", "100/0/captions/0": "mine", "300": "mine"}))
    result = CliRunner().invoke(check_command, project(tmp_path, block))
    assert "check: 1 videos and 1 sentences remain (1 test)" in result.stderr
    assert result.exit_code == 1 and "none of 2 sentences can be used" in result.stdout  # of val
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--estimate"])
    assert result.stdout.splitlines()[1].split()[:2] == ["frames", "1"]


def test_a_data_set_without_a_test_file_is_checked(tmp_path, clip):
    _, block = healthy(tmp_path, clip, {"val": [record(questions=[])]})
    block["splits"]["test"] = None
    result = CliRunner().invoke(check_command, project(tmp_path, block))
    assert result.exit_code == 0 and "1 sentences remain (1 val)" in result.stderr


def test_estimate_command(tmp_path, clip):
    _, block = healthy(tmp_path, clip)
    (tmp_path / "vidor" / "video" / "100.mp4").unlink()  # needs no video
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--estimate"])
    assert result.exit_code == 0 and result.stdout.splitlines()[-1].startswith("total")
    result = CliRunner().invoke(check_command, [*project(tmp_path, block, link_tubes={}), "--estimate"])
    assert result.exit_code == 1 and "section 'link_tubes' lacks the key 'max_tubes'" in result.stderr


def test_the_detector_is_examined_too(tmp_path, clip):
    """Missing weights end a run after hours of extraction; those of a URL are fetched when they are needed."""
    _, block = healthy(tmp_path, clip, {"test": [record(questions=[])]})
    detector = {"backend": "detectron2", "config": str(ROOT / "envs/detectors/coco_r50_fpn.yaml")}
    block["detector"] = detector | {"weights": "no.pkl"}
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--fix-index"])
    assert (
        result.exit_code == 1 and "no.pkl: detector weights not found; put the file there (public" in result.stdout
    )
    assert "model_final_280758.pkl) or correct the detector" in result.stdout
    assert json.loads((tmp_path / "data" / "vidstg" / SKIP_FILE).read_text()) == {}
    result = CliRunner().invoke(check_command, [*project(tmp_path, block), "--estimate"])
    assert result.exit_code == 0 and "assuming 1,024 features" in result.stderr
    block["detector"] = detector | {"weights": None}
    assert CliRunner().invoke(check_command, project(tmp_path, block)).exit_code == 0
