"""Personalize's filter expressions: read from filters.json, parsed into a tree, and evaluated for a request.

    file.py        filters.json -> the filters by name
    parser.py      a text -> a tree, with ``grammar.lark`` and the rules that the grammar does not state
    tree.py        the tree: frozen dataclasses
    values.py      ``filterValues`` of a request -> the values of the parameters
    evaluation.py  a tree, data and values -> which rows may be in the response

https://docs.aws.amazon.com/personalize/latest/dg/filter-expressions.html. The README of the engine says where
that page leaves a choice, and which choice this is.
"""
