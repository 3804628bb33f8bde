"""The subcommands of `vcma`; the stages of the pipeline are in stages/."""
