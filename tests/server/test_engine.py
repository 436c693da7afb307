import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from engines.conditioning import Conditioning
from server.engine import (
    LONGEST_REASON,
    EditorCrashError,
    EditorUnavailableError,
    Engine,
    Job,
    LiveEditor,
)
from server.session.frame import Frame
from server.session.layer import AppliedLayer
from server.session.layered import Seat
from server.session.mailbox import Mailbox
from tests.server.fakes import InvertingEditor, LateEditor
from tests.server.frames import frame


class Stream:
    """A session as the engine sees it."""

    def __init__(self, engine: Engine, conditioning: Conditioning) -> None:
        self.inbox: Mailbox[Frame] = Mailbox()
        self.seat = Seat()
        self._engine, self._conditioning = engine, conditioning

    async def edit(self) -> Frame | None:
        return await self._engine.edit(self.seat, self.inbox.peek, self._take)

    def _take(self) -> Job | None:
        taken = self.inbox.take_nowait()
        return None if taken is None else Job(taken, (AppliedLayer("i", self._conditioning, 1.0),))


@pytest.fixture
def editor() -> InvertingEditor:
    return InvertingEditor()


@pytest.fixture
async def engine(editor: InvertingEditor) -> AsyncIterator[Engine]:
    engine = Engine(lambda: editor, max_batch=4)
    engine.start()
    await engine.settled()
    yield engine
    await engine.close()


async def test_loading_and_edits_run_in_the_engines_own_thread(editor: InvertingEditor) -> None:
    def load() -> LiveEditor:
        loading.append(threading.get_ident())
        return editor

    loading: list[int] = []
    engine = Engine(load, None)
    engine.start()
    stream = Stream(engine, await engine.encode("invert"))
    for _ in range(2):
        stream.inbox.put(frame())
        await stream.edit()
    await engine.close()
    assert editor.threads == set(loading)
    assert threading.get_ident() not in loading
    assert engine.has_ended(10)


async def test_a_load_is_not_waited_for_at_the_end_and_has_not_failed() -> None:
    late = LateEditor()
    engine = Engine(late, None)
    engine.start()
    await asyncio.sleep(0.05)
    await engine.close()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(engine.settled(), 0.05)
    assert (engine.ready, engine.failure, engine.has_ended(0.05)) == (False, None, False)
    late.release()
    assert engine.has_ended(10)


async def test_an_edit_is_the_sources_negative(engine: Engine) -> None:
    stream = Stream(engine, await engine.encode("invert"))
    stream.inbox.put(frame(value=100))
    edited = await stream.edit()
    assert edited is not None
    assert edited.picture is not None
    assert (edited.picture == 155).all()
    assert (edited.kind, edited.instruction_ids) == ("edited", ("i",))
    assert edited.edit_started_s is not None
    assert edited.edited_s is not None
    assert edited.edit_started_s <= edited.edited_s


async def test_waiting_streams_of_one_size_share_a_step(engine: Engine, editor: InvertingEditor) -> None:
    conditioning = await engine.encode("invert")
    streams = [Stream(engine, conditioning) for _ in range(6)]
    for index, stream in enumerate(streams):
        stream.inbox.put(frame(value=index, size=(32, 32) if index == 2 else (32, 16)))
    edited = await asyncio.gather(*(stream.edit() for stream in streams))
    pictures = [each.picture for each in edited if each is not None]
    assert [int(picture[0, 0, 0]) for picture in pictures if picture is not None] == [
        255 - n for n in range(6)
    ]
    assert sorted(editor.batches) == [1, 1, 4]


async def test_turns_go_round(engine: Engine, editor: InvertingEditor) -> None:
    """A stream that always has a frame waiting does not keep another from its turn."""
    editor.step_s = 0.005
    conditioning = await engine.encode("invert")
    greedy, modest = Stream(engine, conditioning), Stream(engine, conditioning)
    greedy_turns = 0

    async def never_satisfied() -> None:
        nonlocal greedy_turns
        while True:
            greedy.inbox.put(frame(size=(32, 32)))
            await greedy.edit()
            greedy_turns += 1

    greed = asyncio.create_task(never_satisfied())
    for _ in range(5):
        before = greedy_turns
        modest.inbox.put(frame())
        await modest.edit()
        assert greedy_turns - before <= 2
    greed.cancel()


async def one_waits(
    engine: Engine, editor: InvertingEditor
) -> "tuple[Stream, asyncio.Task[Frame | None], Callable[[], Awaitable[None]]]":
    """A stream that waits for its turn with a frame, its edit, and what lets the one before it end."""
    conditioning = await engine.encode("invert")
    first, second = Stream(engine, conditioning), Stream(engine, conditioning)
    hold = editor.hold = threading.Event()
    first.inbox.put(frame())
    first_edit = asyncio.create_task(first.edit())
    await asyncio.sleep(0.02)
    second.inbox.put(frame(rtp_timestamp=1))
    second_edit = asyncio.create_task(second.edit())
    await asyncio.sleep(0.02)

    async def go_on() -> None:
        hold.set()
        await first_edit

    return second, second_edit, go_on


async def test_the_frame_edited_is_the_newest_when_the_turn_comes(
    engine: Engine, editor: InvertingEditor
) -> None:
    second, second_edit, go_on = await one_waits(engine, editor)
    second.inbox.put(frame(rtp_timestamp=2))
    await go_on()
    edited = await second_edit
    assert edited is not None
    assert edited.rtp_timestamp == 2
    assert second.inbox.dropped == 1


async def test_a_crash_is_the_culprits_alone(engine: Engine, editor: InvertingEditor) -> None:
    editor.failing_marks = {13}
    conditioning = await engine.encode("invert")
    streams = [Stream(engine, conditioning) for _ in range(3)]
    for stream, value in zip(streams, (1, 13, 3), strict=True):
        stream.inbox.put(frame(value=value))
    edited = await asyncio.gather(*(stream.edit() for stream in streams), return_exceptions=True)
    assert isinstance(edited[0], Frame)
    assert isinstance(edited[1], EditorCrashError)
    assert "too much" in str(edited[1])
    assert isinstance(edited[2], Frame)


async def test_a_stream_keeps_its_memory_until_its_size_changes(
    engine: Engine, editor: InvertingEditor
) -> None:
    seat = Seat(seed=3)
    layers = [AppliedLayer(name, editor.encode(name), 1.0) for name in ("a", "b")]
    first = seat.states(editor, (16, 32, 3), layers)
    assert first[0] is not first[1]
    assert seat.states(editor, (16, 32, 3), layers[::-1]) == first[::-1]
    assert seat.states(editor, (16, 32, 3), layers[:1]) == first[:1]
    back = seat.states(editor, (16, 32, 3), layers)
    assert (back[0] is first[0], back[1] is first[1]) == (True, False)
    other = seat.states(editor, (32, 32, 3), layers)
    assert other[0] is not first[0]
    seat.forget()
    assert seat.states(editor, (32, 32, 3), layers)[0] is not other[0]


async def test_layers_are_edited_one_after_another(engine: Engine, editor: InvertingEditor) -> None:
    twice = (AppliedLayer("a", editor.encode("a"), 1.0), AppliedLayer("b", editor.encode("b"), 1.0))
    taken = frame(value=100)
    edited = await engine.edit(Seat(), lambda: taken, lambda: Job(taken, twice))
    assert edited is not None
    assert edited.picture is not None
    assert edited.picture[0, 0, 0] == 100
    assert (edited.instruction_ids, edited.evaluations) == (("a", "b"), 2)


async def test_a_stream_that_gives_up_its_turn_leaves_its_frame(
    engine: Engine, editor: InvertingEditor
) -> None:
    second, second_edit, go_on = await one_waits(engine, editor)
    second_edit.cancel()
    await go_on()
    await asyncio.sleep(0.02)
    assert second.inbox.peek() is not None
    assert sum(editor.batches) == 1


async def test_an_instruction_is_understood_once(engine: Engine) -> None:
    assert await engine.encode("invert") is await engine.encode("invert")
    with pytest.raises(ValueError, match="words"):
        await engine.encode(" ")


async def test_without_a_model_there_is_nothing_to_ask() -> None:
    def load() -> LiveEditor:
        raise OSError("no such folder")

    engine = Engine(load, None)
    engine.start()
    for _ in range(2):
        with pytest.raises(EditorUnavailableError, match="no such folder"):
            await engine.encode("invert")
    assert (engine.ready, engine.failure) == (False, "no such folder")
    await engine.close()


async def test_a_reason_of_many_lines_becomes_one_and_is_logged_whole_for_who_asks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing = "\n\t".join(f'"layers.{layer}.weight",' for layer in range(1000))

    def load() -> LiveEditor:
        raise RuntimeError(f"Error(s) in loading state_dict for TinyDenoiser:\n\tMissing key(s): {missing}")

    caplog.set_level(logging.DEBUG, "server.engine")
    engine = Engine(load, None)
    engine.start()
    await engine.settled()
    await engine.close()

    begun = 'Error(s) in loading state_dict for TinyDenoiser: Missing key(s): "layers.0.weight", "layers.1.weight",'
    assert engine.failure is not None
    assert engine.failure.startswith(begun)
    assert len(engine.failure) <= LONGEST_REASON + 1
    assert "layers.999.weight" in caplog.text


async def test_a_stream_whose_frame_cannot_be_taken_is_told_and_the_others_go_on(engine: Engine) -> None:
    conditioning = await engine.encode("invert")
    ill, well = Stream(engine, conditioning), Stream(engine, conditioning)
    for stream in (ill, well):
        stream.inbox.put(frame())

    def take() -> Job | None:
        raise RuntimeError("a bug")

    edited = await asyncio.gather(
        engine.edit(ill.seat, ill.inbox.peek, take), well.edit(), return_exceptions=True
    )
    assert repr(edited[0]) == "RuntimeError('a bug')"
    assert isinstance(edited[1], Frame)


async def test_an_edit_of_the_wrong_shape_is_a_crash(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(engine, await engine.encode("invert"))
    odd = frame()
    odd.source = np.zeros((16, 32, 4), np.uint8)
    monkeypatch.setattr(InvertingEditor, "step", lambda *_: [])
    stream.inbox.put(odd)
    with pytest.raises(EditorCrashError, match="0 edits for 1 frames"):
        await stream.edit()
