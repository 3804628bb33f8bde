"""VCMA: weakly-supervised spatio-temporal video grounding by variational cross-modal alignment.

    import vcma

    pipeline = vcma.load("clips_cpu", untrained=True)
    [answer] = pipeline.ground("clip.mp4", "the man in the black coat turns around")
    answer.seconds, answer.probability, answer.doubts
    answer.write_film("answer.mp4")

docs/python.md introduces the names; `examples/grounding.ipynb` uses them.
"""

from importlib import import_module

__version__ = "0.2.0"
# Public name -> module, imported on first use: `import vcma` needs no other library, and a stage that imports a
# part of the package depends only on that part. vcma/__init__.pyi declares the same names for type checkers.
_PUBLIC = {
    "Grounding": "vcma.api.grounding",
    "InputError": "vcma.errors",
    "Pipeline": "vcma.api.pipeline",
    "Query": "vcma.records.query",
    "Tubes": "vcma.records.tubes",
    "VideoTubes": "vcma.api.video_tubes",
    "artifact_info": "vcma.api.artifacts",
    "load": "vcma.api.pipeline",
    "parse": "vcma.api.pipeline",
    "read_artifact": "vcma.api.artifacts",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
