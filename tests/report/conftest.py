"""A run that all tests of the report share, rendered once; what they do to it leaves it as it was."""

from pathlib import Path

import pytest

from tests.report.made_run import make_run, render


@pytest.fixture(scope="package")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_run(root)
    (root / "results" / "clips").mkdir(parents=True)
    lines = [f"em,{a},1,0,test,declarative,.3,{a / 10},.2,.1" for a in (0, 0.5, 1)]
    header = "variant,alpha,beta,seed,split,query_type,m_tIoU,m_vIoU,vIoU@0.3,vIoU@0.5"
    (root / "results" / "clips" / "ablation.csv").write_text("\n".join([header, *lines]) + "\n")
    said = render(root)
    assert "4 samples, 1 videos without frames" in said and "no frame of video lost could be read" in said
    return root


@pytest.fixture(scope="package")
def rendered(project) -> Path:
    return project / "artifacts" / "clips" / "report"
