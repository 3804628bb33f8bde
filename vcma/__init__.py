"""VCMA: weakly-supervised spatio-temporal video grounding by variational cross-modal alignment."""

__version__ = "0.2.0"
