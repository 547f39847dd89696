"""The publisher in plain calls."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.intake import (
    OutboxError,
    PlainPublisher,
    PlainPublisherClosed,
    Publisher,
    SubmissionTooLarge,
    TransportUnavailable,
)
from tests.unit.streams.intake.backbone import FakeBackbone, FakeTransport, visit


def test_plain_calls_do_what_the_asynchronous_ones_do(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    with PlainPublisher(publisher) as plain:
        entry = plain.register(visit())
        assert plain.status().waiting == 1
        assert plain.flush().sent == 1
        assert [(one.effect, one.entry) for one in plain.receipts()] == [("answered", entry.id)]
        assert plain.release() == 0
    assert len(backbone.log) == 1


def test_calls_from_many_threads_are_all_carried_out(
    publisher: Publisher, backbone: FakeBackbone
) -> None:
    with PlainPublisher(publisher) as plain:

        def counter() -> None:
            for _ in range(5):
                plain.register(visit())
                plain.flush()

        threads = [threading.Thread(target=counter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert plain.status().sent == 20
    assert [arrived.sequence for arrived in backbone.log] == list(range(1, 21))


def test_errors_pass_through(publisher: Publisher, transport: FakeTransport) -> None:
    with PlainPublisher(publisher) as plain:
        with pytest.raises(SubmissionTooLarge):
            plain.register(visit(lines=101))
        transport.down = True
        with pytest.raises(TransportUnavailable):
            list(plain.receipts())


def test_letters_can_be_followed_and_left(publisher: Publisher) -> None:
    with PlainPublisher(publisher) as plain:
        plain.register(visit())
        plain.flush()
        for letter in plain.receipts(follow=True):
            assert letter.effect == "answered"
            break


def test_the_end_of_the_block_ends_whoever_still_follows(publisher: Publisher) -> None:
    following = threading.Event()
    ended: list[BaseException | None] = []

    def follow(plain: PlainPublisher) -> None:
        try:
            for _ in plain.receipts(follow=True):
                following.set()
            ended.append(None)
        except (PlainPublisherClosed, OutboxError) as error:
            ended.append(error)

    with PlainPublisher(publisher) as plain:
        plain.register(visit())
        plain.flush()
        thread = threading.Thread(target=follow, args=(plain,))
        thread.start()
        assert following.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert len(ended) == 1


def test_the_thread_ends_with_the_block_and_closing_twice_is_harmless(
    publisher: Publisher, transport: FakeTransport
) -> None:
    with PlainPublisher(publisher) as plain:
        assert "dpp-publisher" in {thread.name for thread in threading.enumerate()}
    plain.close()
    assert transport.closed
    assert "dpp-publisher" not in {thread.name for thread in threading.enumerate()}


def test_calls_outside_the_block_say_so_bad(publisher: Publisher) -> None:
    plain = PlainPublisher(publisher)
    with pytest.raises(PlainPublisherClosed, match="with block"):
        plain.flush()
    with plain:
        pass
    with pytest.raises(PlainPublisherClosed, match="with block"):
        plain.register(visit())


def test_what_must_start_in_the_loop_is_started_there(publisher: Publisher) -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def opening() -> AsyncIterator[Publisher]:
        steps.append(threading.current_thread().name)
        asyncio.get_running_loop()
        async with publisher:
            yield publisher
        steps.append("closed")

    with PlainPublisher(opening()) as plain:
        plain.status()
    assert steps == ["dpp-publisher", "closed"]


def test_an_opening_that_fails_leaves_no_thread_bad() -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[Publisher]:
        raise TransportUnavailable("The broker does not answer (test).")
        yield  # type: ignore[unreachable]  # makes it a generator

    with pytest.raises(TransportUnavailable), PlainPublisher(failing()):
        pass
    assert "dpp-publisher" not in {thread.name for thread in threading.enumerate()}
