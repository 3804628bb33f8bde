"""The demo's detector: the committed one, and how it is trained."""

from demo.train_detector import main, world_pictures
from tests.conftest import ROOT
from tests.detector_training.tiny import train_tiny
from vcma.detection.registry import load_detector
from vcma.detector_training.detection_metrics import evaluate_detector


def test_committed_detector():
    weights = ROOT / "demo" / "detector.pth"
    assert weights.stat().st_size <= 8_000_000
    block = {"backend": "detectron2", "config": "envs/detectors/demo.yaml", "weights": "demo/detector.pth"}
    detector = load_detector(block, ROOT)
    assert sum(p.numel() for p in detector._way._model.parameters()) <= 4_000_000
    result = evaluate_detector(detector, world_pictures(99, 12))
    assert result["recall"] >= 0.95 and result["class_accuracy"] >= 0.92 and result["ap"] >= 0.6


def test_training_on_the_drawn_world_is_reproducible(tmp_path):
    for name in ("a.pth", "b.pth"):
        result = train_tiny(main, tmp_path, "--output", tmp_path / name, "--threads", 1)
        assert result.exit_code == 0 and "AP " in result.output and "recall@0.5" in result.output
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    assert not list(tmp_path.glob(".*partial"))
