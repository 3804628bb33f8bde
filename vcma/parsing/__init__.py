"""Sentence parser: sentences to entities, relations and a target entity.

The entry point is `parser`. A sentence is parsed in three steps: words are classified (`word_classes`), words are
grouped into chunks (`chunker`, with `noun_phrases`, `noun_groups`, `attributes`, `verb_groups`), and chunks become
entities and events (`clauses`, with `verbs`, `hands`, `attachment`, `questions`, `mentions`, which share `state`).
"""
