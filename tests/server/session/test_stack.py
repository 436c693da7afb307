import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.conditioning import Conditioning
from server.session.layer import Layer
from server.session.stack import (
    MAX_LAYERS,
    MAX_UNDO,
    NoSuchLayerError,
    NothingToUndoError,
    Stack,
    StackFullError,
)


class Clock:
    now_s = 10.0

    def __call__(self) -> float:
        return self.now_s


def layer(name: str, strength: float = 1.0, value: float = 0.0) -> Layer:
    return Layer(name, Conditioning(name, torch.full((4,), value), "negative", 1.0, True, ()), strength)


def stack(*layers: Layer) -> tuple[Stack, Clock]:
    clock = Clock()
    made = Stack(clock, lambda: None)
    if layers:
        made.replace(layers)
    return made, clock


def ids(made: Stack) -> list[str]:
    return [each.id for each in made.layers]


def applied(made: Stack, now_s: float) -> list[tuple[str, float]]:
    return [(each.id, round(each.strength, 3)) for each in made.edits.applied(now_s)]


def test_a_new_instruction_takes_the_place_of_all_others_or_goes_on_top() -> None:
    made, _ = stack(layer("a"))
    made.put(layer("b"), "top")
    assert ids(made) == ["a", "b"]
    made.put(layer("c"), "alone")
    assert ids(made) == ["c"]


def test_a_full_stack_takes_no_more_on_top() -> None:
    made, _ = stack(*(layer(str(number)) for number in range(MAX_LAYERS)))
    with pytest.raises(StackFullError):
        made.put(layer("one more"), "top")
    with pytest.raises(StackFullError):
        made.replace([layer(str(number)) for number in range(MAX_LAYERS + 1)])
    made.put(layer("alone"), "alone")
    assert ids(made) == ["alone"]


def test_a_layer_is_switched_moved_and_removed() -> None:
    made, clock = stack(layer("a"), layer("b"), layer("c"))
    made.change("b", enabled=False)
    assert applied(made, clock()) == [("a", 1.0), ("c", 1.0)]
    made.change("c", position=0)
    assert ids(made) == ["c", "a", "b"]
    made.remove("a")
    assert ids(made) == ["c", "b"]
    for unknown in (made.find, made.remove):
        with pytest.raises(NoSuchLayerError):
            unknown("a")


def test_one_instruction_after_one_other_moves_from_its_code_to_its_own() -> None:
    made, clock = stack(layer("from", 0.5, value=0.0))
    made.put(layer("to", 1.0, value=1.0), "alone", transition_s=2.0)
    (half,) = made.edits.applied(clock() + 1.0)
    assert half.conditioning.text == "to"
    assert half.conditioning.code.tolist() == [0.5] * 4
    assert half.strength == 0.75
    (end,) = made.edits.applied(clock() + 2.0)
    assert end.conditioning.code.tolist() == [1.0] * 4
    assert end.strength == 1.0


def test_several_fade_as_another_comes() -> None:
    made, clock = stack(layer("a"), layer("b", 0.5))
    made.put(layer("c"), "alone", transition_s=2.0)
    assert ids(made) == ["c"]
    assert applied(made, clock() + 1.0) == [("a", 0.5), ("b", 0.25), ("c", 0.5)]
    assert applied(made, clock() + 2.0) == [("c", 1.0)]
    clock.now_s += 5.0
    made.change("c", strength=0.3)
    assert [each.id for each in made.edits.layers] == ["c"]


def test_a_removed_layer_fades_in_its_place() -> None:
    made, clock = stack(layer("a"), layer("b"), layer("c"))
    made.remove("b", transition_s=1.0)
    assert applied(made, clock() + 0.75) == [("a", 1.0), ("b", 0.25), ("c", 1.0)]
    assert applied(made, clock() + 1.0) == [("a", 1.0), ("c", 1.0)]


def test_of_layers_that_fade_away_only_the_newest_are_still_edited() -> None:
    made, clock = stack()
    for number in range(20):
        made.put(layer(str(number)), "top", transition_s=60.0)
        clock.now_s += 0.1
        made.remove(str(number), transition_s=60.0)
    assert [name for name, _ in applied(made, clock())] == ["16", "17", "18", "19"]
    made.replace([layer(name) for name in "abcd"])
    for name in "abcd":
        made.remove(name, transition_s=60.0)
        made.put(layer(name.upper()), "top")
    assert len(applied(made, clock())) == 2 * MAX_LAYERS


def test_positions_are_counted_without_a_layer_that_fades_away() -> None:
    made, _ = stack(layer("gone"), layer("a"), layer("b"), layer("c"))
    made.remove("gone", transition_s=1.0)
    made.change("a", position=1)
    assert ids(made) == ["b", "a", "c"]
    made.change("b", position=2)
    assert ids(made) == ["a", "c", "b"]
    made.change("c", position=0)
    assert ids(made) == ["c", "a", "b"]


def test_a_change_in_the_middle_of_a_transition_begins_where_that_is() -> None:
    made, clock = stack(layer("a", 0.0))
    made.change("a", strength=1.0, transition_s=2.0)
    clock.now_s += 1.0
    made.change("a", enabled=False, transition_s=1.0)
    assert applied(made, clock()) == [("a", 0.5)]
    assert applied(made, clock() + 0.5) == [("a", 0.25)]
    assert applied(made, clock() + 1.0) == []


def test_undo_and_redo_walk_the_changes() -> None:
    made, _ = stack()
    for refused in (made.undo, made.redo):
        with pytest.raises(NothingToUndoError):
            refused()
    made.put(layer("a"), "alone")
    made.put(layer("b"), "top")
    made.change("b", enabled=False)
    made.undo()
    assert made.find("b").enabled
    made.undo()
    made.undo()
    assert ids(made) == []
    assert not made.can_undo
    for _ in range(3):
        made.redo()
    assert not made.find("b").enabled
    assert not made.can_redo
    made.undo()
    made.put(layer("c"), "top")
    assert not made.can_redo


def test_a_dragged_slider_is_one_change() -> None:
    made, _ = stack(layer("a"))
    for percent in range(10, 60):
        made.change("a", strength=percent / 100)
    made.undo()
    assert made.find("a").strength == 1.0
    made.redo()
    assert made.find("a").strength == 0.59


def test_undo_forgets_the_oldest_and_ends_transitions() -> None:
    made, clock = stack(layer("a"))
    for number in range(MAX_UNDO + 10):
        made.change("a", enabled=bool(number % 2), transition_s=5.0)
    made.undo()
    assert applied(made, clock()) in ([], [("a", 1.0)])
    undone = 1
    while made.can_undo:
        made.undo()
        undone += 1
    assert undone == MAX_UNDO


def test_bypass_and_freeze_are_no_changes_to_take_back() -> None:
    made, _ = stack(layer("a"))
    made.undo()
    made.bypass(True)
    made.freeze(True)
    assert (made.edits.bypassed, made.edits.frozen, made.can_undo, made.can_redo) == (True, True, False, True)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["top", "alone", "remove", "switch", "move"]), max_size=20))
def test_undoing_everything_and_doing_it_again_ends_where_it_was(changes: list[str]) -> None:
    made, _ = stack()
    states = [made.layers]
    for number, change in enumerate(changes):
        try:
            if change in ("top", "alone"):
                made.put(layer(str(number)), "top" if change == "top" else "alone")
            elif made.layers and change == "remove":
                made.remove(made.layers[0].id)
            elif made.layers and change == "switch":
                made.change(made.layers[0].id, enabled=not made.layers[0].enabled)
            elif made.layers:
                made.change(made.layers[0].id, position=len(made.layers) - 1)
            else:
                continue
        except StackFullError:
            continue
        states.append(made.layers)
    for before in reversed(states[:-1]):
        made.undo()
        assert made.layers == before
    for after in states[1:]:
        made.redo()
        assert made.layers == after
