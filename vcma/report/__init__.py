"""The report: cases, pages, figures, media."""
