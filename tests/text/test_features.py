"""Text features: static vectors, none, and a tiny, randomly initialised encoder in Hugging Face's own files."""

import json

import numpy as np
import pytest
import torch

from tests.conftest import make_tubes
from tests.model.test_em import TOLD, trained
from vcma.errors import InputError
from vcma.text.features import LEARNED, WORDLLAMA, text_features

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "adult", "dog", "ball", "red", "chase", "push", "jump")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A BERT of 16 dimensions with random weights, saved as every encoder is."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(WORDS), **shape)).save_pretrained(folder)
    return folder


def test_an_encoder_says_the_same_of_the_same_text_in_any_company(encoder):
    texts = text_features(encoder.name, encoder.parent)
    found = texts.embed(["red adult", "dog", "", "zebra xylophone", "red adult of a long sentence"])
    assert found.shape == (5, texts.width) == (5, 16) and found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), [1, 1, 0, 1, 1], atol=1e-5)
    assert np.allclose(texts.embed(["dog"])[0], found[1], atol=1e-5)  # padding changes nothing
    assert not np.allclose(found[0], found[1], atol=1e-3)
    assert texts.embed([]).shape == (0, 16)
    assert texts.name == text_features(str(encoder), encoder).name  # an absolute path, the same encoder


@pytest.mark.parametrize("choice", ["wordllama", "learned", "encoder"])
def test_em_trains_on_any_text_features(choice, encoder):
    texts = text_features(str(encoder) if choice == "encoder" else choice, encoder)
    terms, found = trained(TOLD[:3], [make_tubes(i) for i in range(3)], texts)
    assert all(np.isfinite(value) for term in terms for value in term.values())
    assert all(np.allclose(np.exp(f.both.log_z).sum(1), 1, atol=1e-4) for f in found)


def test_an_unknown_word_neither_breaks_nor_dominates():
    for texts in (WORDLLAMA, LEARNED):
        vectors = texts.embed(["dog", "qwzx vrrrbl"])
        assert vectors.shape == (2, texts.width) and (np.linalg.norm(vectors, axis=1) <= 1 + 1e-5).all()


def test_other_features_than_the_model_s_are_refused(encoder):
    name = text_features(str(encoder), encoder).name
    assert text_features(str(encoder), encoder, name).name == name
    with pytest.raises(InputError, match="trained with text features"):
        text_features("learned", encoder, name)


def test_another_tokenizer_is_another_encoder(encoder, tmp_path):
    for path in encoder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "vocab.txt").write_text("\n".join([*WORDS[:5], *reversed(WORDS[5:])]))
    assert text_features(str(tmp_path), tmp_path).name != text_features(str(encoder), encoder).name


@pytest.mark.parametrize("spoil", ["missing", "config", "weights", "pickle", "no tokenizer", "too small"])
def test_what_is_no_encoder_is_told_in_one_line(encoder, tmp_path, spoil):
    folder = tmp_path / "encoder"
    if spoil != "missing":
        folder.mkdir()
        for path in encoder.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
    if spoil == "config":
        (folder / "config.json").write_text(json.dumps({"model_type": "nothing known"}))
    if spoil == "weights":
        (folder / "model.safetensors").write_bytes(b"torn")
    if spoil == "pickle":  # a pickle could run anything: it is not even looked at
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    if spoil == "no tokenizer":  # every word would be unknown, and nobody would be told
        for path in [*folder.glob("tokenizer.json"), *folder.glob("vocab*")]:
            path.unlink()
    if spoil == "too small":  # the tokenizer knows words that the network does not
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        tokenizer["model"]["vocab"] |= {"a": 500, "dog": 501}
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError) as told:
        text_features(str(folder), tmp_path)
    assert "\n" not in str(told.value) and "encoder" in str(told.value)
