"""The Python API: what `import vcma` offers, made of the same functions as the stages.

The public names are those of `vcma.__all__`; `vcma/__init__.pyi` says in which module each stands.
"""
