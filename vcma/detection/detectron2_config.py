"""Import of detectron2 and its configurations: from a file or the model zoo, with weights and class names.

The PyPI build of detectron2 lacks the C++ extension. A Faster R-CNN does not need it (NMS and RoI pooling are
torchvision's), so an empty module replaces the extension if it is missing.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vcma.detection.base import existing_file, resolve
from vcma.errors import InputError


def import_detectron2() -> types.ModuleType:
    """Import detectron2, with or without its C++ extension, and register the modules in `detectron2_heads`.

    Raises InputError if detectron2 or torch is not installed.
    """
    import PIL.Image

    try:
        import detectron2
        import torch  # noqa: F401 - detectron2's C++ extension needs its libraries loaded
    except ImportError as error:
        raise InputError(
            f"detectron2 or torch cannot be imported: {error}", "detector", "install it as described in the README"
        ) from error
    try:
        importlib.import_module("detectron2._C")
    except ImportError:
        detectron2._C = sys.modules["detectron2._C"] = types.ModuleType("detectron2._C")
    if not hasattr(PIL.Image, "LINEAR"):
        PIL.Image.LINEAR = PIL.Image.BILINEAR  # type: ignore[attr-defined]
    with without_old_warnings():
        from vcma.detection import detectron2_heads
    return detectron2_heads


@contextmanager
def without_old_warnings() -> Iterator[None]:
    """Suppress only the deprecation warnings that detectron2 0.6 causes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit\.script", FutureWarning)
        warnings.filterwarnings("ignore", r"torch\.meshgrid", UserWarning)
        warnings.filterwarnings("ignore", r"(?s).*pkg_resources is deprecated", UserWarning)
        yield


def read_config(config: str, root: Path) -> Any:
    """Read a detectron2 configuration from a YAML file, or by name from detectron2's model zoo.

    Raises InputError if it does not exist or is not a valid configuration.
    """
    import yaml

    detectron2_heads = import_detectron2()
    from detectron2.config import get_cfg

    file, from_zoo = _config_file(config, root)
    cfg = get_cfg()
    detectron2_heads.add_keys(cfg)
    try:
        cfg.merge_from_file(str(file), allow_unsafe=False)
    except (KeyError, ValueError, AssertionError, TypeError, AttributeError, OSError, yaml.YAMLError) as error:
        raise InputError(
            f"not a detectron2 configuration: {error}", file, "start from one in envs/detectors"
        ) from error
    if from_zoo:
        cfg.MODEL.WEIGHTS = _zoo_weights(config)  # the file's own entry is the initialisation of training
    cfg.MODEL.MASK_ON = cfg.MODEL.KEYPOINT_ON = False  # only boxes are needed
    return cfg


def _config_file(config: str, root: Path) -> tuple[Path, bool]:
    """Return the file of a configuration, and whether it is from the model zoo."""
    zoo = None if resolve(config, root).is_file() else _zoo_config(config)
    return (Path(zoo), True) if zoo else (existing_file(config, root, "detectron2 configuration"), False)


def decisive_settings(config: str, root: Path, cfg: Any) -> list[Any]:
    """Return the settings of a configuration that determine the results, as JSON values.

    They are read from the file, not from cfg, so as not to depend on the defaults of the installed detectron2.
    """
    file = cfg.load_yaml_with_base(str(_config_file(config, root)[0]), allow_unsafe=False)
    model = {key: value for key, value in file.get("MODEL", {}).items() if key not in ("WEIGHTS", "DEVICE")}
    return [model, (cfg.INPUT.FORMAT, cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)]


def _zoo() -> types.ModuleType:
    with without_old_warnings():
        return importlib.import_module("detectron2.model_zoo")


def _zoo_config(name: str) -> str | None:
    try:
        return _zoo().get_config_file(name)
    except RuntimeError:  # raised for an unknown name; the PyPI build contains no zoo files at all
        return None


def _zoo_weights(name: str) -> str:
    try:
        return _zoo().get_checkpoint_url(name)
    except RuntimeError:
        return ""


def weights_file(named: str | None, public: str, root: Path) -> Path:
    """Return the local file of the weights: `named` if given, else `public`, those of the configuration.

    URLs are downloaded by detectron2's path manager. Raises InputError if there are no weights, the file does not
    exist or the download fails.
    """
    from detectron2.utils.file_io import Detectron2Handler, PathManager

    weights = named or public
    if not weights:
        raise InputError("no weights", "detector", "add weights: FILE to the detector: block")
    if "://" not in weights:
        remedy = "put the file there"
        if "://" in public:
            url = public.replace(Detectron2Handler.PREFIX, Detectron2Handler.S3_DETECTRON2_PREFIX)
            remedy += f" (public weights: {url})"
        return existing_file(weights, root, "detector weights", remedy)
    try:
        return Path(PathManager.get_local_path(weights))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"download failed: {error}", weights, "download the file yourself and set weights: to its path"
        ) from error


def catalogued_classes(cfg: Any) -> tuple[str, ...]:
    """Return the class names of the configuration's training set from detectron2's catalogue, () if unknown."""
    import detectron2.data  # noqa: F401 - fills the catalogue
    from detectron2.data import MetadataCatalog

    datasets = [name for name in cfg.DATASETS.TRAIN if name in MetadataCatalog.list()]
    return tuple(MetadataCatalog.get(datasets[0]).get("thing_classes", ())) if datasets else ()
