"""The HTML report: cases, pages, figures, media."""
