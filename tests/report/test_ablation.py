"""The sweeps of an ablation, as files for `dvc plots`."""

import pytest

from tests.conftest import ROOT
from vcma.report.ablation import write_sweeps

HEADER = "variant,alpha,beta,seed,split,query_type,m_tIoU,m_vIoU,vIoU@0.3,vIoU@0.5"


def test_a_sweep_is_at_the_commonest_value_of_the_other_parameter_over_all_sentences_of_test(tmp_path):
    runs = [(0.5, 1, 0, 0.4), (0.5, 1, 1, 0.5), (0.5, 0, 0, 0.1), (0.5, 0, 1, 0.2), (0.25, 1, 0, 0.3)]
    rows = [f"em,{a},{b},{seed},test,all,.3,{score},.2,.1" for a, b, seed, score in runs]
    others = [
        "em,0.5,1,0,val,all,.3,.9,.2,.1",
        "em,0.5,1,0,test,declarative,.3,.9,.2,.1",
        "q,0.5,1,0,test,all,.3,.9,.2,.1",
    ]
    (tmp_path / "ablation.csv").write_text("\n".join([HEADER, *rows, *others]) + "\n")
    write_sweeps(tmp_path / "ablation.csv", tmp_path)
    beta = (tmp_path / "sweep_beta.csv").read_text()
    assert beta == "beta,m_vIoU,low,high\n0,0.1500,0.1000,0.2000\n1,0.4500,0.4000,0.5000\n"
    alpha = (tmp_path / "sweep_alpha.csv").read_text()
    assert alpha == "alpha,m_vIoU,low,high\n0.25,0.3000,0.3000,0.3000\n0.5,0.4500,0.4000,0.5000\n"


@pytest.mark.parametrize("name", ["sweep_alpha.csv", "sweep_beta.csv", "dvc.yaml"])
def test_the_committed_sweeps_are_those_of_the_committed_ablation(tmp_path, name):
    results = ROOT / "results" / "demo_full"
    (tmp_path / "demo_full").mkdir()
    write_sweeps(results / "ablation.csv", tmp_path / "demo_full")
    assert (tmp_path / "demo_full" / name).read_bytes() == (results / name).read_bytes()
