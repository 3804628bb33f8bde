"""The checker of types and shapes in annotations that tests/conftest.py switches on; int passes for float."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
