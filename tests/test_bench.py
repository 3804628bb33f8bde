"""The benchmarks' table: what was measured and what failed."""

import importlib
import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import ROOT


@pytest.fixture
def table(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    module = importlib.import_module("table")
    monkeypatch.setattr(module, "KEPT", tmp_path)
    monkeypatch.setattr(module, "RESULTS", tmp_path / "RESULTS")
    return module


def test_kept_figures_become_the_table(table, monkeypatch):
    monkeypatch.setattr(table.turns, "ROOT", table.KEPT)
    (table.KEPT / "data" / "demo").mkdir(parents=True)
    kept = {name: {"comparisons": {}} for name in table.commands()}
    kept["link_tubes"] = {"comparisons": {"link": {"ours": [1.0, 2.0, 4.0], "theirs": [3.0, 4.0, 4.0]}}}
    kept["train_em"] = {"failed": "no memory"}
    kept["start_up"] = {"help": {"evaluate": [0.1, 0.3, 0.2]}}
    one = {"cpu": 1.0, "MB": 50.0}
    kept["demo_run"] = {"stages": {"link_tubes": one | {"seconds": 1.0}, "train_em": one | {"seconds": 3.0}}}
    growth = {"seconds": {"10": 1.0, "20": 3.0}, "MB": {"10": 50.0, "20": 50.0}}
    kept["scale"] = {"skip": growth | {"time_exponent": 1.04, "memory_exponent": None}}
    for name, found in kept.items():
        (table.KEPT / f"{name}.json").write_text(json.dumps(found))
    monkeypatch.setattr(sys, "argv", ["table.py", "--only", "artifacts"])
    monkeypatch.setattr(table, "measure", lambda name, words: kept[name])
    table.RESULTS.write_text("# Before\n\n## The whole way, as it was\n")
    table.main()
    assert table.RESULTS.read_text().endswith("\n\n## The whole way, as it was\n")
    told = table.RESULTS.read_text()
    assert "| link | 2.00 s | theirs 2.00 [1.00, 3.00] |" in told and "| `train_em` | failed | no memory |" in told
    assert "| evaluate | 0.20 s [0.10, 0.30] |" in told
    assert "| train_em | 3.0 | 75% | 50 MB |" in told
    assert "| skip | n^1.04 | – | 10: 1.00 s, 50 MB; 20: 3.00 s, 50 MB |" in told


def test_growth_is_told_where_there_is_any(table):
    scale = importlib.import_module("scale")
    assert scale.exponent({1: 5.0, 10: 15.0, 20: 45.0}) == pytest.approx(2)
    assert scale.exponent({1: 2.12, 10: 2.121, 20: 2.3}) is None


def test_memory_is_that_of_the_work_alone(table, monkeypatch, capsys):
    scale = importlib.import_module("scale")

    def made(folder, n):
        np.ones(4 * n << 17).sum()  # what making the input takes
        return lambda: np.ones(n << 17).sum()

    monkeypatch.setitem(scale.WORKS, "work", made)
    scale.one("work", 40)
    assert 39 < float(capsys.readouterr().out.split()[1]) < 60


def test_a_script_that_fails_is_told(table):
    (table.KEPT / "artifacts.json").write_text("{}")
    told = table.measure("artifacts", [f"{ROOT}/a|b"])["failed"]
    assert told.endswith("unrecognized arguments: a/b")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("gpu")


def test_the_gpus_benchmark_is_skipped_with_one_line_where_there_is_none(gpu):
    done = CliRunner().invoke(gpu.main, ["--device", "cuda:99"])
    assert done.exit_code == 0
    assert done.output == "skipped: torch finds no cuda:99 here; --device cpu --tiny runs this without a GPU\n"


def test_the_gpus_benchmark_runs_without_one(gpu, tmp_path):
    words = "--device cpu --tiny --rounds 1 --batch 2 --precision fp32 --threads 2 --share 0.0003"
    done = CliRunner().invoke(gpu.main, [*words.split(), "--json", str(tmp_path / "found.json")])
    assert done.exit_code == 0, done.output
    assert "not a GPU: these figures mean nothing" in done.output
    found = json.loads((tmp_path / "found.json").read_text())
    speeds = found["speeds"]["fp32, batch 2"]
    assert {"the stage", "network", "detectron2", "backbone", "busy"} == set(speeds)
    assert speeds["busy"] is None and speeds["backbone"] > speeds["network"] > 0
    equal = found["equality"]["fp32"]
    assert equal["same bytes again"]
    for way in ("the CPU's own way", "whole batches on the CPU"):
        assert equal[way]["regions"] > 20 and equal[way]["same"] == 1 and equal[way]["score apart"] < 1e-4
    assert list(found["EM"]) == ["vidstg, 2 clips"] and min(found["EM"].values()) > 0


def test_the_share_of_time_that_spans_cover(gpu):
    assert gpu.covered([(0, 1), (1, 4)]) == 1
    assert gpu.covered([(6, 8), (0, 4), (1, 2), (3, 5)]) == 7 / 8


def test_regions_agree_within_a_thousandth(gpu):
    def regions(*rows):
        rows = np.array(rows, np.float32).reshape(-1, 5)
        return gpu.Regions(rows[:, :4], rows[:, 4], *(np.zeros((len(rows), 1), np.float16) for _ in range(3)))

    wanted = [regions([0, 0, 9, 9, 0.5], [1, 1, 9, 9, 0.4]), regions([0, 0, 5, 5, 0.3])]
    found = [regions([0, 0.05, 9, 9, 0.5008], [1, 1, 9, 9, 0.402]), regions()]
    told = gpu.agreement(found, wanted, 100)
    assert told["regions"] == 3 and told["same"] == pytest.approx(1 / 3)
    assert told["score apart"] == pytest.approx(8e-4, abs=1e-6) and told["frames of another count"] == 0.5


def test_growth_with_videos_is_measured_on_the_stages_as_they_are(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    costs = importlib.import_module("scale").by_videos([4], dvc=True)
    stages = ("extract_frames", "detect_proposals", "link_tubes")
    expected = {f"{stage}, {what}" for stage in stages for what in ("skip", "prune")} | {"index_dataset, list"}
    expected.add("dvc repro, nothing to do")
    assert set(costs) == expected and all(4 in row for row in costs.values())


def test_training_is_measured_on_tubes_that_the_schema_accepts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    training = importlib.import_module("train_em")
    figures = training.measure("vidstg", share=0.0005, rounds=1, vidstg_tubes=4)
    assert figures["sentences"] > 10 and min(figures["spent"]["ours"]) > 0


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("whole")


def test_the_whole_way_is_projected_and_written_behind_the_other_results(whole, tmp_path):
    results = tmp_path / "results.md"
    results.write_text("# Speed\n\n## The whole way, before\n\nold\n")
    words = ["--small", "--results", str(results), "--gpu", str(tmp_path / "none.json")]
    done = CliRunner().invoke(whole.main, words)
    assert done.exit_code == 0, done.output
    told = results.read_text()
    assert told.startswith("# Speed\n\n## The whole way, by") and "old" not in told
    assert "open: no GPU was at hand" in told
    for name in ("VidSTG", "HC-STVG"):
        rows = told.partition(f"| {name} |")[2].partition("\n\n")[0].splitlines()[2:]
        cells = {row.split(" | ")[0].strip("| "): row.split(" | ")[1:] for row in rows}
        assert [*cells][:2] == ["extract_frames", "detect_proposals"] and [*cells][-1] == "all"
        assert [stage for stage, row in cells.items() if row[2] == "open"] == [
            "detect_proposals",
            "train_em",
            "ground_queries",
        ]
        assert cells["all"][2].endswith("and what is open")


def test_hours_follow_from_the_parts(whole):
    data = whole.DATA_SETS["VidSTG"]
    found = {
        "extract_frames": whole.Cost(32.0, by_video=True),
        "detect_proposals": whole.Cost(64.0, by_video=True, on_device=True),
        "train_em": whole.Cost(7.0, on_device=True),
    }
    assert whole.elapsed(found, 2) == {"extract_frames": 16, "detect_proposals": 32, "train_em": 7}
    assert whole.elapsed(found, 16) == {"extract_frames": 2, "detect_proposals": None, "train_em": None}
    measured = {
        "speeds": {"fp32, batch 8": {"the stage": 50.0}, "bf16, batch 32": {"the stage": 200.0}},
        "EM": {"demo, 8 clips": 9999.0, "vidstg, 8 clips": 1000.0, "vidstg, 32 clips": 2000.0},
    }
    assert whole.on_gpu("detect_proposals", data, measured) == data.frames / 200
    assert whole.on_gpu("train_em", data, measured) == 26 * (2 * 80_684 + 8_956) / 2000
    learnt = whole.Learning(load=1.0, em=2.0, contrast=0.5, ground=3.0, bytes=0)
    assert learnt.training({"train": 10, "val": 2, "test": 99}) == 12 + 26 * (10 * 2.5 + 2 * 2)
    assert whole.told(None) == "open" and whole.told(600) == "10 min" and whole.told(9000) == "2.5 h"
    assert whole.told(3_600_000) == "1,000 h"


def test_gigabytes_are_those_of_the_estimate(whole):
    found = whole.gigabytes(whole.DATA_SETS["HC-STVG"])
    region = 20 + 2 * (1024 + 80 + 30)
    assert found["detect_proposals"] == pytest.approx(452_800 * 20 * region / 1e9, rel=0.02)
