"""All that a search can find, as one value: a saved page searches by itself."""

from __future__ import annotations

from typing import Any

from inspector.render.find import Results
from inspector.render.findindex import PANES, Index
from inspector.render.findwords import FIELDS
from inspector.render.timebar import packed

Json = dict[str, Any]


def find_table(index: Index) -> Json:
    """Every entry with what it is searched by.

    Returns:
        `results`: one of each entry, as `Finder.find` tells them; `panes`: the pane of each;
        `texts`: by field its different texts, and `codes`: for each entry the number of its text
        (see `timebar.packed`); `tensors`: by number the entries that show a tensor.
    """
    results, names = Results(index), list(PANES)
    return {
        "results": [results.result(*entry) for entry in index.entries],
        "panes": [names[pane] for pane in index.panes.tolist()],
        "texts": {field: index.texts[field] for field in FIELDS},
        "codes": {field: packed(index.codes[field].tolist()) for field in FIELDS},
        "tensors": {
            str(number): places
            for number in index.recording.tensors
            if (places := index.places_of_tensor(number))
        },
    }
