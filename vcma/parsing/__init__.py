"""Sentences parsed into entities, relations and the entity asked for.

`parser` is the way in. It reads a sentence in three steps: words get their classes (`word_classes`), words become
chunks (`chunker`, with `noun_phrases`, `noun_groups`, `attributes`, `verb_groups`), and chunks become entities and
events (`clauses`, with `verbs`, `hands`, `attachment`, `questions`, `mentions`, over the `state` that they share).
"""
