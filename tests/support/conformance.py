"""The kit's way to quality control in memory."""

from collections.abc import Collection
from datetime import UTC, datetime

from consumers.conformance.ways import Answers
from consumers.simulation.records import Outgoing
from consumers.simulation.verify import Place
from consumers.vendors.offline import OfflineBackbone
from schemas.receipts import GAP_CLOSED, GAP_NOTICED, GapClosed, GapNoticed, Receipt
from schemas.topics import DISPENSATION_RECEIPTS
from streams.engine.stage import Output


class OfflineWay:
    """To quality control in memory."""

    def __init__(self, backbone: OfflineBackbone) -> None:
        self._backbone = backbone
        self._found = Answers()

    async def send(self, record: Outgoing) -> Place:
        """Have it decided."""
        outputs = await self._backbone.submit(record, datetime.now(UTC))
        for output in outputs[:-1]:
            _sort_output(output, self._found)
        receipt = Receipt.read(outputs[-1].value or b"")
        place = (receipt.submission.partition, receipt.submission.offset)
        self._found.receipts[place] = receipt
        return place

    async def answers(self, places: Collection[Place], seconds: float) -> Answers:  # noqa: ARG002 - all is there
        """Everything that was decided."""
        return self._found


def _sort_output(output: Output, found: Answers) -> None:
    type_ = dict(output.headers).get("ce_type", b"").decode()
    if output.topic != DISPENSATION_RECEIPTS.name or output.value is None:
        return
    if type_ == GAP_NOTICED:
        found.note(GapNoticed.read(output.value))
    elif type_ == GAP_CLOSED:
        found.note(GapClosed.read(output.value))
