"""The commands of `vcma`: what is not a stage of the pipeline."""
