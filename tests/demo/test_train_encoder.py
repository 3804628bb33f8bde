"""The demo's region-text encoder: the committed one, its phrases, its loss, and how it is trained."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from demo.train_encoder import main
from region_text.files import load, new_tokenizer
from region_text.phrases import altered, every_word, facts_of, phrase_for, thing_of
from region_text.scores import phrase_accuracy, picking_accuracy, unambiguous
from region_text.training import contrastive_loss, make_batch
from tests.conftest import ROOT
from train_detector import world_pictures
from world.cast import CATEGORIES, Thing, draw_cast

ENCODER = ROOT / "demo" / "encoder"


def test_committed_encoder_tells_the_things_of_new_stills_apart():
    assert sum(path.stat().st_size for path in ENCODER.iterdir()) <= 8_000_000
    model, processor = load(ENCODER)
    assert sum(p.numel() for p in model.parameters()) <= 2_000_000
    pictures = world_pictures(99, 12)
    phrase = phrase_accuracy(model, processor, pictures)  # of 14 categories x 11 colours
    assert phrase["phrase"] >= 0.8 and phrase["category"] >= 0.9 and phrase["colour"] >= 0.85, phrase
    picking = picking_accuracy(model, processor, pictures)
    assert picking["picked_hard"] >= 0.8 and picking["chance_hard"] <= 0.2, picking


def test_the_tokenizer_knows_every_word_for_a_thing():
    tokenizer, rng = load(ENCODER)[1].tokenizer, np.random.default_rng(0)
    assert tokenizer.get_vocab() == new_tokenizer(every_word()).get_vocab()
    texts = [text for _ in range(300) for _, text in unambiguous(rng, draw_cast(rng, CATEGORIES))]
    assert len(texts) > 1000
    assert not [text for text in texts if tokenizer.unk_token_id in tokenizer(text)["input_ids"]]
    assert tokenizer("A Photo of a zebra")["input_ids"].count(tokenizer.unk_token_id) == 1


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_phrase_is_true_of_what_it_was_written_for_and_says_something(category):
    rng, false = np.random.default_rng(0), 0
    for thing in (draw_cast(rng, [category])[0] for _ in range(100)):
        assert facts_of(thing_of(category, thing.attributes())) == facts_of(thing)
        phrase = phrase_for(rng, thing)
        assert phrase.facts and phrase.is_true_of(facts_of(thing)), phrase
        other = altered(rng, thing)
        assert facts_of(other) != facts_of(thing)
        false += not phrase_for(rng, other).is_true_of(facts_of(thing))
    assert false >= 20  # hard negatives are negatives


def test_a_batch_knows_which_phrases_fit_which_things():
    pictures = world_pictures(98, 3)
    batch = make_batch(np.random.default_rng(0), pictures)
    assert batch.true.shape == (sum(len(p.labels) for p in pictures), len(set(batch.texts)))
    assert batch.true.any(1).all() and not batch.true.any(0).all()


def test_loss_sets_each_true_pair_against_false_ones_alone():
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.3, 1.0, 0.0]])
    true = torch.tensor([[True, True, False], [False, True, False]])  # the third text fits nothing

    def nat(positive: float, *negatives: float) -> float:
        return float(np.log1p(sum(np.exp(n - positive) for n in negatives)))

    rows = ((nat(2.0, 0.5) + nat(-1.0, 0.5)) / 2 + nat(1.0, 0.3, 0.0)) / 2
    columns = (nat(2.0, 0.3) + 0.0) / 2  # the second text fits both crops
    assert contrastive_loss(logits, true).item() == pytest.approx((rows + columns) / 2, abs=1e-5)


def train_tiny(*options: object):
    tiny = ("--stills", 4, "--held-out", 2, "--epochs", 2, "--batch", 2, *options)
    return CliRunner().invoke(main, [str(option) for option in tiny], catch_exceptions=False)


def test_training_is_reproducible_and_reports_what_it_wrote(tmp_path):
    for name in ("a", "b"):
        result = train_tiny("--output", tmp_path / name)
        assert result.exit_code == 0 and "tight crops: phrase 0." in result.output, result.output
    names = sorted(path.name for path in ENCODER.iterdir())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    result = train_tiny("--output", tmp_path)
    assert result.exit_code == 1 and "is not an encoder" in result.output
    assert (tmp_path / "thesis.tex").read_text() == "all of it"


def test_a_thing_is_read_from_its_attributes():
    woman = thing_of("child", ("red top", "blue trousers", "white hat", "hat", "girl", "skirt"))
    assert woman == Thing(0, "child", "red", "blue", "white", woman=True)
