"""Words as numbers: text features, and agreement of phrases with detector labels."""
