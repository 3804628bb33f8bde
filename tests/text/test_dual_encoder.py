"""Region-text encoders of every family: tiny ones with random weights, in Hugging Face's own files."""

import json
import shutil

import numpy as np
import pytest

from tests.text.encoders import FAMILIES, LONGEST, save_encoder
from vcma.errors import InputError
from vcma.text.dual_encoder import DualEncoder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {family: save_encoder(tmp_path_factory.mktemp(family), family) for family in FAMILIES}


def pictures(count=3, seed=0):
    """Pictures of any size and shape."""
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (*random.integers(2, 90, 2), 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_and_phrases_are_unit_vectors_of_one_space_in_any_company(folders, family):
    encoder, some = DualEncoder(folders[family]), pictures()
    seen, read = encoder.embed_images(some), encoder.embed_texts(["red dog", "the blue adult", "dog"])
    assert seen.shape == read.shape == (3, encoder.width) and seen.dtype == read.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm([seen, read], axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_images(some[1:2])[0], seen[1], atol=1e-5)
    np.testing.assert_allclose(encoder.embed_texts(["RED dog"])[0], read[0], atol=1e-5)  # neither company nor case
    assert not np.allclose(seen[0], seen[1], atol=1e-3) and not np.allclose(read[0], read[2], atol=1e-3)
    assert encoder.embed_texts([]).shape == (0, encoder.width)
    assert encoder.name.startswith(f"{family}:") and encoder.name == DualEncoder(folders[family]).name


def test_nothing_of_a_tall_picture_is_cut_off(folders):
    """CLIP's own processor looks at the middle square alone: not at the head and feet of a standing person."""
    encoder = DualEncoder(folders["clip"])
    plain = np.full((90, 30, 3), 120, np.uint8)
    capped = plain.copy()
    capped[:12] = (255, 0, 0)
    plain, capped = encoder.embed_images([plain, capped])
    assert np.abs(plain - capped).max() > 1e-3


def test_the_end_of_a_text_beyond_the_encoders_limit_is_not_read(folders):
    for folder in folders.values():
        encoder = DualEncoder(folder)
        assert encoder.max_tokens == LONGEST
        long = "dog " * 30
        assert encoder.truncates(long) and not encoder.truncates("dog " * 3)
        np.testing.assert_allclose(*encoder.embed_texts([long, long + "red ball"]), atol=1e-5)


def test_the_trained_scale_is_told(folders):
    assert DualEncoder(folders["clip"]).scale == pytest.approx(np.exp(2.6592), rel=1e-4)


def test_another_content_of_any_file_is_another_encoder(folders, tmp_path):
    names = {DualEncoder(folders["clip"]).name, DualEncoder(save_encoder(tmp_path / "b", "clip", seed=1)).name}
    shutil.copytree(folders["clip"], tmp_path / "c")
    scaling = json.loads((tmp_path / "c" / "preprocessor_config.json").read_text())
    scaling["image_mean"] = [0.5] * 3
    (tmp_path / "c" / "preprocessor_config.json").write_text(json.dumps(scaling))
    assert len(names | {DualEncoder(tmp_path / "c").name}) == 3


def spoilt(folder, how):
    """Spoil an encoder's folder; returns what is to be told of it."""
    from transformers import BertConfig, CLIPVisionConfig, CLIPVisionModel, ViTConfig, ViTModel

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    if how == "missing":
        shutil.rmtree(folder)
        return "no such encoder"
    if how in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (folder / how).unlink()
        return f"lacks {how}"
    if how == "pickle":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        return "docs/encoders.md says how to convert its .bin to safetensors"
    if how == "tokenizer":
        (folder / "tokenizer.json").unlink()
        return "lacks a tokenizer"
    if how == "torn":
        (folder / "model.safetensors").write_bytes(b"torn")
        return "not a usable encoder"
    if how == "unknown family":
        (folder / "config.json").write_text(json.dumps({"model_type": "nothing known"}))
        return "not a usable encoder"
    if how == "text tower":
        import safetensors.torch

        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        kept = {name: value for name, value in tensors.items() if not name.startswith("text_model")}
        safetensors.torch.save_file(kept, folder / "model.safetensors", {"format": "pt"})
        return "weights lack its text tower"
    if how == "CLIP's pictures":
        CLIPVisionModel(CLIPVisionConfig(image_size=32, patch_size=16, **small)).save_pretrained(folder)
        return "is not a region-text encoder: it is a single image or text tower"
    if how == "pictures":
        ViTModel(ViTConfig(image_size=32, patch_size=16, **small)).save_pretrained(folder)
        return "'vit' is not a region-text encoder"
    if how == "texts":
        BertConfig(**small).save_pretrained(folder)
        return "'bert' is not a region-text encoder"
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] |= {"a": 500, "dog": 501}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return "not a usable encoder"


@pytest.mark.parametrize(
    "how",
    ["missing", "config.json", "preprocessor_config.json", "model.safetensors", "pickle", "tokenizer", "torn",
     "unknown family", "text tower", "CLIP's pictures", "pictures", "texts", "another's tokenizer"],
)  # fmt: skip
def test_what_is_no_encoder_is_told_in_one_line(folders, tmp_path, how):
    folder = tmp_path / "encoder"
    shutil.copytree(folders["clip"], folder)
    told = spoilt(folder, how)
    with pytest.raises(InputError) as error:
        DualEncoder(folder)
    assert told in str(error.value) and str(folder) in str(error.value) and "\n" not in str(error.value)
