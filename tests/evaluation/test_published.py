"""Published results beside ours."""

from vcma.evaluation.published import PUBLISHED, published


def test_published_results_stand_beside_the_same_sentences_and_protocol_only():
    shown = {p.method: p.label for p in published("vidstg", "test", "declarative", 4610, "stcat")}
    assert shown["VCMA (ECCV 2024)"] == "VCMA (ECCV 2024), weak, published, protocol not stated"
    assert shown["TA-STVG (ICLR 2025)"] == "TA-STVG (ICLR 2025), full, published"
    for other in (
        ("vidstg", "test", "declarative", 4609, "stcat"),
        ("vidstg", "test", "interrogative", 4610, "stcat"),
        ("vidstg", "test", "declarative", 4610, "tubedetr"),
        ("vidstg", "val", "declarative", 4610, "stcat"),
        ("vidstg", "test", "declarative", 1160, "stcat"),
        ("hcstvg", "test", "declarative", 4610, "official"),
        ("clips", "test", "declarative", 4610, "stcat"),
    ):
        assert not published(*other), other
    # Of HC-STVG's default, official, no paper says that it is theirs; TA-STVG's protocol is known.
    assert {p.protocol for p in published("hcstvg", "test", "declarative", 1160, "stcat")} == {"stcat"}
    assert {p.protocol for p in published("hcstvg", "test", "declarative", 1160, "official")} == {""}
    assert len(PUBLISHED) == 14
