"""Infrastructure shared by all commands and stages: artifacts, command-line options, per-video runs, paths."""
