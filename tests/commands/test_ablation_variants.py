"""Which runs an ablation has: the region-text encoder's where a data set has one, and read by no other."""

import yaml

from tests.conftest import ROOT
from vcma.commands.ablation_table import DESCRIPTIONS
from vcma.commands.ablation_variants import run_specs

CONFIG = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
REGION_TEXT = {"region_text", "region_text_labels", "untrained_region_text", "untrained_region_text_labels"}


def specs(encoder: bool):
    return run_specs(CONFIG["train_em"], CONFIG["untrained"], 0.5, range(2), encoder)


def test_the_region_text_encoder_is_read_by_its_own_variants_alone():
    assert {s.variant for s in specs(True)} - {s.variant for s in specs(False)} == REGION_TEXT
    assert not any(s.reads_region_text for s in specs(False))
    assert {s.variant for s in specs(True) if s.reads_region_text} == REGION_TEXT <= set(DESCRIPTIONS)
    priors = {s.variant: s.settings["label_prior"] for s in specs(True)}
    assert priors["region_text"] == priors["untrained_region_text"] == 0
    assert priors["region_text_labels"] == priors["em"] > 0
    assert priors["untrained_region_text_labels"] == priors["untrained"] == CONFIG["untrained"]["label_prior"]
    assert [s for s in specs(True) if s.variant not in REGION_TEXT] == specs(False)
