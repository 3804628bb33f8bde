"""A project: a folder with a pipeline.yaml, and what that file says."""

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
    """root: the folder of the pipeline.yaml; config: what the file says."""

    root: Path
    config: Mapping[str, Any]
    folder: Path | None = None  # where its artifacts live, if not in artifacts/<dataset>

    @property
    def dataset(self) -> str:
        return str(self.config["dataset"])

    @property
    def block(self) -> dict[str, Any]:
        """The block of the chosen data set."""
        return dict(self.config["datasets"][self.dataset])

    @property
    def detector(self) -> dict[str, Any]:
        """The `detector:` of that block, as `load_detector` takes it; empty where there is none."""
        return dict(self.block.get("detector") or {})

    @property
    def encoder(self) -> Path | None:
        """The folder of the region-text encoder, `encoder:` of that block; None where there is none."""
        value = self.block.get("encoder")
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            remedy = f"name a folder, or null, in the block '{self.dataset}'"
            raise InputError(f"'encoder: {value}' is no folder", self.root / CONFIG, remedy)
        return self.root / Path(value).expanduser()

    @property
    def data(self) -> Path:
        """Where the chosen data set's annotations live, by convention."""
        return self.root / "data" / self.dataset

    @property
    def artifacts(self) -> Path:
        """The folder of the chosen data set's artifacts."""
        return self.folder or self.root / "artifacts" / self.dataset

    def evaluated_split(self, wanted: str) -> str:
        """The split to ground and evaluate: the wanted one, or val where the data set says `test: null`."""
        splits = self.block.get("splits") or {}
        return "val" if wanted == "test" and splits.get("test", ...) is None else wanted

    @property
    def untrained(self) -> bool:
        """Whether the pipeline grounds without a model: `untrained:` of the section `ground_queries`."""
        return self.section("ground_queries").get("untrained") is True

    def section(self, name: str) -> dict[str, Any]:
        """The parameters of one stage; raises InputError if pipeline.yaml has no such section."""
        section = self.config.get(name)
        if not isinstance(section, dict):
            raise InputError(f"has no section '{name}:'", self.root / CONFIG, "add it, one key for each option")
        return section


def load_project(config: Path, dataset: str | None = None) -> Project:
    """Read a pipeline.yaml; `dataset`, if given, replaces the file's own choice.

    Raises InputError if the file is missing, is not YAML, or has no such data set.
    """
    import yaml

    try:
        values = yaml.load(config.read_bytes(), Loader=_strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except FileNotFoundError:
        raise InputError("no such file", config, "run inside the project or name one with --config") from None
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
    """A safe YAML loader to which a key that occurs twice in one mapping is an error."""
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
    """The nearest pipeline.yaml at or above `start` that is one of ours, else `default`; InputError without one.

    Other programs have files of that name: ours has a line `datasets:`.
    """
    for path in (folder / CONFIG for folder in (start, *start.parents)):
        if path.is_file() and re.search(rb"^datasets\s*:", path.read_bytes(), re.MULTILINE):
            return path
    if default is None:
        what = f"no {CONFIG} with 'datasets:' here or above"
        raise InputError(what, start, "change into the project or name one with --config")
    return default
