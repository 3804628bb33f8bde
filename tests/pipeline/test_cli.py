"""The edge that all commands share: which configuration is in force, and what bad words on a command line get."""

from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner

from stages.ground_queries import ground_queries
from stages.link_tubes import link_tubes
from stages.train_em import train_em
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("folder", "given", "alpha"),
    [
        ("ours", (), 0.125),
        ("ours/deep/below", (), 0.125),
        ("ours/foreign", (), 0.125),  # another program's pipeline.yaml is passed over
        ("foreign", (), None),
        (".", (), None),
        (".", ("--config", "ours/pipeline.yaml"), 0.125),
    ],
)
def test_a_stage_reads_the_working_folders_configuration_or_says_which(tmp_path, monkeypatch, folder, given, alpha):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    clones, config["link_tubes"]["alpha"] = config["link_tubes"]["alpha"], 0.125
    for name, said in (("ours", config), ("ours/foreign", {"steps": []}), ("foreign", {"steps": []})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pipeline.yaml").write_text(yaml.safe_dump(said))
    (tmp_path / "ours/deep/below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    done = CliRunner().invoke(link_tubes, [*given, "--help"])
    told = " ".join(done.output.split())
    assert done.exit_code == 0 and f"[default: {alpha or clones};" in told
    using = f"link_tubes: found no pipeline.yaml with 'datasets:' here or above, using {ROOT / 'pipeline.yaml'}"
    assert (using in told) == (alpha is None)


def test_a_section_that_stands_twice_is_told_instead_of_the_last_one_taken(tmp_path):
    text = (ROOT / "pipeline.yaml").read_text()
    (tmp_path / "pipeline.yaml").write_text(text + "\nlink_tubes:\n  alpha: 0.1\n")
    done = CliRunner().invoke(link_tubes, ["--config", str(tmp_path / "pipeline.yaml")])
    assert done.exit_code == 1 and "the key 'link_tubes' occurs twice" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_memory_for_clips_is_an_option_and_may_stand_under_run(tmp_path, monkeypatch):
    from vcma.training.training_set import TrainingSet

    class _ReadError(Exception):
        pass

    class _Training:
        clips, encoder = SimpleNamespace(cache_bytes=0), SimpleNamespace(texts=None)

        @property
        def vocabulary(self):
            raise _ReadError

    training = _Training()
    monkeypatch.setattr(TrainingSet, "of", lambda *_: training)
    text = (ROOT / "pipeline.yaml").read_text()
    for run, words, expected in (("", [], 2), ("", ["--memory", "0.5"], 0.5), ("\nrun: {memory: 24}\n", [], 24)):
        (tmp_path / "pipeline.yaml").write_text(text + run)
        done = CliRunner().invoke(train_em, ["--config", str(tmp_path / "pipeline.yaml"), *words])
        assert isinstance(done.exception, _ReadError), done.output
        assert training.clips.cache_bytes == expected * 2**30


@pytest.mark.parametrize(
    ("stage", "section", "change", "message"),
    [
        (ground_queries, "ground_queries", {"untrained": 11}, "'untrained' is 11, expected true or false"),
        (ground_queries, "ground_queries", {"untrained": "yes"}, "'untrained' is yes, expected true or false"),
        (link_tubes, "link_tubes", {"max_tubes": True}, "'max_tubes' is True, expected a number or a text"),
        (link_tubes, "run", {"strict": 1}, "'strict' is 1, expected true or false"),
    ],
)
def test_a_number_for_a_flag_or_a_flag_for_a_number_is_refused(
    tmp_path, monkeypatch, stage, section, change, message
):
    config = yaml.safe_load((ROOT / "pipeline.yaml").read_text())
    config[section] = config.get(section, {}) | change
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(stage, [])
    assert done.exit_code == 1 and message in done.stderr and done.stderr.count("\n") == 1
