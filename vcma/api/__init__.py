"""The Python API behind `import vcma`, built from the same functions as the stages.

The public names are listed in `vcma.__all__`; `vcma/__init__.pyi` gives the module of each.
"""
