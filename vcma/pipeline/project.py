"""A project: a folder with a pipeline.yaml, and the contents of that file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcma.errors import InputError, did_you_mean

CONFIG = "pipeline.yaml"


@dataclass(frozen=True)
class Project:
    """A project folder and its configuration. root: the folder of pipeline.yaml; config: its contents."""

    root: Path
    config: Mapping[str, Any]
    folder: Path | None = None  # folder of the artifacts, if not artifacts/<dataset>

    @property
    def dataset(self) -> str:
        return str(self.config["dataset"])

    @property
    def block(self) -> dict[str, Any]:
        """The block of the chosen data set."""
        return dict(self.config["datasets"][self.dataset])

    @property
    def detector(self) -> dict[str, Any]:
        """The `detector:` of that block, as `load_detector` takes it; empty if there is none."""
        return dict(self.block.get("detector") or {})

    @property
    def encoder(self) -> Path | None:
        """The folder of the region-text encoder, `encoder:` of that block; None if there is none."""
        value = self.block.get("encoder")
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            remedy = f"set it to a folder, or to null, in the block '{self.dataset}'"
            raise InputError(f"'encoder: {value}' is not a folder", self.root / CONFIG, remedy)
        return self.root / Path(value).expanduser()

    @property
    def data(self) -> Path:
        """The folder of the chosen data set's annotations, data/<dataset>."""
        return self.root / "data" / self.dataset

    @property
    def artifacts(self) -> Path:
        """The folder of the chosen data set's artifacts."""
        return self.folder or self.root / "artifacts" / self.dataset

    def evaluated_split(self, wanted: str) -> str:
        """Return the split to ground and evaluate: the wanted one, or val if the data set has `test: null`."""
        splits = self.block.get("splits") or {}
        return "val" if wanted == "test" and splits.get("test", ...) is None else wanted

    @property
    def untrained(self) -> bool:
        """Whether the pipeline grounds without a model: `untrained:` of the section `ground_queries`."""
        return self.section("ground_queries").get("untrained") is True

    def section(self, name: str) -> dict[str, Any]:
        """Return the parameters of one stage; raises InputError if pipeline.yaml has no such section."""
        section = self.config.get(name)
        if not isinstance(section, dict):
            raise InputError(f"has no section '{name}:'", self.root / CONFIG, "add it, with a key for each option")
        return section


def load_project(config: Path, dataset: str | None = None) -> Project:
    """Read a pipeline.yaml; `dataset`, if given, replaces the one chosen in the file.

    Raises InputError if the file is missing, is not YAML, or has no such data set.
    """
    import yaml

    try:
        values = yaml.load(config.read_bytes(), Loader=_strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except FileNotFoundError:
        raise InputError("no such file", config, "run inside the project or give one with --config") from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"not readable as YAML ({error})", config) from error
    if not isinstance(values, dict) or not isinstance(values.get("datasets"), dict):
        raise InputError("has no 'datasets:' mapping", config)
    if dataset is not None:
        values["dataset"] = dataset
    chosen = values.get("dataset")
    if not isinstance(values["datasets"].get(chosen) if isinstance(chosen, str) else None, dict):
        choices = ", ".join(map(str, values["datasets"]))
        remedy = f"{did_you_mean(str(chosen), values['datasets'])}choose one of {choices}"
        raise InputError(f"'dataset: {chosen}' has no block under 'datasets:'", config, remedy)
    return Project(config.resolve().parent, values)


def _strict(safe_loader: type) -> type:
    """Return a safe YAML loader that rejects duplicate keys in a mapping."""
    import yaml

    class Strict(safe_loader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key in keys:
                if keys.count(key) > 1:
                    raise yaml.YAMLError(f"the key '{key}' occurs twice, {node.start_mark}")
            return super().construct_mapping(node, deep)

    return Strict


def find_config(start: Path, default: Path | None = None) -> Path:
    """Return the nearest pipeline.yaml of this project's format at or above `start`, else `default`.

    Other programs use the same file name; ours has a line `datasets:`. Raises InputError if there is neither.
    """
    for path in (folder / CONFIG for folder in (start, *start.parents)):
        if path.is_file() and re.search(rb"^datasets\s*:", path.read_bytes(), re.MULTILINE):
            return path
    if default is None:
        what = f"no {CONFIG} with 'datasets:' here or above"
        raise InputError(what, start, "change into the project or give one with --config")
    return default
