"""What every command and stage shares: artifacts, command line, per-video runs, paths."""
