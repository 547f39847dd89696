"""Through the publishers' transports: what is sent, and how the answers are sorted."""

from collections.abc import AsyncGenerator

from consumers.conformance.ways import ApiWay
from consumers.simulation.records import Outgoing
from schemas.publisher import BackboneKeyPublished
from schemas.receipts import GapClosed, GapNoticed, Receipt, SubmissionRef
from streams.intake.session import WireRecord
from streams.intake.transports import Answer, Letter, Page, Place
from tests.unit.consumers.conformance.test_cases import NOW


class FakeTransport:
    """One pharmacy's way: answers a letter for each page that is asked for."""

    def __init__(self, *letters: Answer | None) -> None:
        self.letters = [Letter(str(at), one) for at, one in enumerate(letters)]
        self.sent: list[WireRecord] = []
        self.asked: list[str | None] = []

    async def submit(self, record: WireRecord) -> Place:
        self.sent.append(record)
        return Place(1, len(self.sent) - 1)

    async def open_session(self, record: WireRecord) -> Place:
        raise NotImplementedError

    async def intake_key(self) -> BackboneKeyPublished:
        raise NotImplementedError

    async def receipts(self, after: str | None) -> Page:
        self.asked.append(after)
        at = 0 if after is None else int(after) + 1
        found = self.letters[at : at + 1]
        return Page(tuple(found), more=at + 1 < len(self.letters))

    def follow(self, after: str | None) -> AsyncGenerator[Letter, None]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def receipt(offset: int) -> Receipt:
    ref = SubmissionRef(partition=1, offset=offset, appended_at=NOW)
    return Receipt(outcome="accepted", submission=ref)


async def test_a_record_goes_out_as_its_sender_and_a_missing_value_is_an_empty_one() -> None:
    one, other = FakeTransport(), FakeTransport()
    way = ApiWay({"1": one, "2": other})
    assert await way.send(Outgoing("2", b"2", (("ce_id", b"x"),), None)) == (1, 0)
    assert one.sent == []
    assert other.sent == [WireRecord(b"2", (("ce_id", b"x"),), b"")]


async def test_letters_are_read_until_every_receipt_is_there() -> None:
    transport = FakeTransport(
        receipt(9),
        GapNoticed(publisher="1", epoch="e", first=2, last=3),
        None,
        GapClosed(publisher="1", epoch="e", number=3),
        receipt(0),
        receipt(10),
    )
    answers = await ApiWay({"1": transport}).answers([(1, 0)], seconds=60)
    assert answers.receipts.keys() == {(1, 0), (1, 9)}
    assert answers.notices == {"e": ["noticed 2-3", "closed 3"]}
    assert transport.asked == [None, "0", "1", "2", "3"]


async def test_the_first_receipt_of_a_place_counts_and_waiting_ends_at_its_limit() -> None:
    first, second = receipt(0), receipt(0).model_copy(update={"outcome": "rejected"})
    answers = await ApiWay({"1": FakeTransport(first, second)}).answers([(1, 5)], seconds=0.3)
    assert answers.receipts == {(1, 0): first}
