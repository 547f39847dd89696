"""How much of the lines on a page came back, wherever in time their returns stand."""

from collections.abc import Mapping, Sequence

from consumers.api.ports import Dependencies
from consumers.api.views import Opened, open_rows
from projections.folds.history import returns_index
from projections.netting import LineId, brought_back


async def returned_of(
    deps: Dependencies, opened: Opened, as_of: Mapping[int, int], person: Sequence[str]
) -> dict[LineId, int]:
    """Units that came back of each line, as of the page's own cut.

    `person` are the subjects of the one whose page it is: a line may come back under another of
    somebody's numbers. Of a page about many, each line's own subject counts.
    """
    standing = [
        row for row, content in opened.lines if row.may_return and row.stands and content.units > 0
    ]
    if not standing:
        return {}
    key = await deps.vault.root_key("index")
    rows = await deps.store.returns(
        subjects=sorted({*person, *(row.subject for row in standing)}),
        indexes=[returns_index(key, row.pharmacy, row.dguid) for row in standing],
        as_of=as_of,
    )
    found = await open_rows(deps.vault, rows)
    return brought_back(content for _, content in found.lines)
