"""`plan` is pure, so every order of outcomes, lost and doubled messages can be tried without a server."""

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sagas.plan import Finish, Go, PlannedStep, RunState, Stage, StepState, Undo, Wait, plan

HOLD = PlannedStep("hold")
PAY = PlannedStep("pay")
CAPTURE = PlannedStep("capture")
SHIP = PlannedStep("ship", undoable=False, pivot=True)
CANCEL = PlannedStep("cancel", acts=False)
STAGES: tuple[Stage, ...] = ((CANCEL,), (HOLD, PAY), (CAPTURE,), (SHIP,))
W, D, R, F = StepState.WAITING, StepState.DONE, StepState.REFUSED, StepState.FAILED
UI, UD, S, SK = StepState.UNDOING, StepState.UNDONE, StepState.STUCK, StepState.SKIPPED


def test_the_steps_of_a_stage_begin_together():
    assert plan(STAGES, {}) == Go(("hold", "pay"))


def test_a_stage_waits_for_all_of_its_steps():
    assert plan(STAGES, {"hold": D, "pay": W}) == Wait()


def test_the_next_stage_follows():
    assert plan(STAGES, {"hold": D, "pay": D}) == Go(("capture",))


def test_all_done_is_done():
    assert plan(STAGES, {"hold": D, "pay": D, "capture": D, "ship": D}) == Finish(RunState.DONE)


def test_a_refusal_undoes_its_neighbour_but_not_itself():
    assert plan(STAGES, {"hold": D, "pay": R}) == Undo(("hold",))


def test_exhausted_counts_as_maybe_done():
    assert plan(STAGES, {"hold": D, "pay": F}) == Undo(("hold", "pay"))


def test_a_call_in_flight_is_waited_for_before_it_is_undone():
    assert plan(STAGES, {"hold": R, "pay": W}, in_flight=frozenset({"pay"})) == Wait()


def test_a_retry_that_waits_is_given_up_and_undone():
    assert plan(STAGES, {"hold": R, "pay": W}) == Undo(("pay",))


def test_compensation_goes_backward_stage_by_stage():
    assert plan(STAGES, {"hold": D, "pay": D, "capture": R}) == Undo(("hold", "pay"))
    assert plan(STAGES, {"hold": D, "pay": D, "capture": F}) == Undo(("capture",))


def test_what_was_there_before_the_saga_is_undone_last():
    assert plan(STAGES, {"hold": UD, "pay": R}) == Undo(("cancel",))
    assert plan(STAGES, {"hold": UD, "pay": R, "cancel": UD}) == Finish(RunState.UNDONE)


def test_an_abort_turns_back_until_the_pivot_begins():
    assert plan(STAGES, {"hold": D, "pay": D}, aborted=True) == Undo(("hold", "pay"))
    assert plan(STAGES, {"hold": D, "pay": D, "capture": D, "ship": W}, aborted=True) == Wait()


def test_a_failed_pivot_waits_for_a_person():
    assert plan(STAGES, {"hold": D, "pay": D, "capture": D, "ship": F}) == Finish(RunState.STUCK)


def test_a_failed_undo_waits_for_a_person_after_its_neighbours_are_undone():
    assert plan(STAGES, {"hold": S, "pay": UI, "capture": R}) == Wait()
    assert plan(STAGES, {"hold": S, "pay": UD, "capture": R}) == Finish(RunState.STUCK)


def test_a_skipped_step_counts_as_done_going_forward():
    assert plan(STAGES, {"hold": D, "pay": D, "capture": D, "ship": SK}) == Finish(RunState.DONE)
    assert plan(STAGES, {"hold": D, "pay": SK}) == Go(("capture",))


def test_a_skipped_step_counts_as_undone_going_backward():
    assert plan(STAGES, {"hold": SK, "pay": UD, "capture": R}) == Undo(("cancel",))
    assert plan(STAGES, {"hold": SK, "pay": UD, "capture": R, "cancel": UD}) == Finish(RunState.UNDONE)


def test_a_skip_of_the_only_step_that_turned_back_needs_to_say_that_it_has():
    assert plan(STAGES[1:], {"hold": SK, "pay": SK}, aborted=True) == Finish(RunState.UNDONE)


def test_whatever_fails_beside_a_pivot_waits_for_a_person():
    mixed = ((HOLD, SHIP),)
    assert plan(mixed, {"hold": F, "ship": D}) == Finish(RunState.STUCK)
    assert plan(mixed, {"hold": SK, "ship": D}) == Finish(RunState.DONE)


@dataclass
class World:
    """Rows, and a broker that loses, doubles and reorders; `plan` decides, as `settle` asks it to."""

    stages: tuple[Stage, ...]
    chance: Random
    states: dict[str, StepState] = field(default_factory=dict)
    messages: list[tuple[str, bool]] = field(default_factory=list)
    acted: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    in_flight: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    aborted: bool = False
    end: RunState | None = None

    def settle(self) -> None:
        if self.end is not None:
            return
        decision = plan(self.stages, self.states, in_flight=frozenset(self.in_flight), aborted=self.aborted)
        if isinstance(decision, Go):
            for name in decision.steps:
                self.states.setdefault(name, W)
                self.messages.append((name, False))
        elif isinstance(decision, Undo):
            for name in decision.steps:
                self.states[name] = UI
                self.messages.append((name, True))
        elif isinstance(decision, Finish):
            self.end = decision.state

    def sweep(self) -> None:
        self.in_flight.clear()
        for name, state in self.states.items():
            if state in {W, UI}:
                self.messages.append((name, state is UI))
        self.settle()

    def repair(self) -> None:
        """A person retries what is stuck, or skips it; as `sagas.operations.repair` writes it."""
        undo = S in self.states.values()
        stuck = [name for name, state in self.states.items() if (state is S if undo else state in {R, F})]
        skipping = self.chance.random() < 0.3
        for name in stuck[:1] if skipping else stuck:
            if skipping:
                self.skipped.add(name)
            elif not undo and name in self.acted:
                self.acted.remove(name)  # the same idempotency key: it acts once
            self.states[name] = SK if skipping else UI if undo else W
        self.aborted = self.aborted or (undo and skipping)
        self.end = None

    def receive(self) -> None:
        position = self.chance.randrange(len(self.messages))
        fate = self.chance.random()
        if fate < 0.15:
            self.messages.pop(position)  # lost
            return
        name, undo = self.messages[position] if fate < 0.3 else self.messages.pop(position)  # doubled, or once
        if self.states.get(name) is (UI if undo else W) and name not in self.in_flight:
            self.perform(name, undo)

    def perform(self, name: str, undo: bool) -> None:
        outcome = self.chance.random()
        if undo:
            if outcome < 0.1:
                self.states[name] = S
            else:
                self.undone.append(name)
                self.states[name] = UD
        elif outcome < 0.15:
            self.in_flight.add(name)  # on its way; its process may die with it
        elif outcome < 0.3:
            self.states[name] = R
        elif outcome < 0.45:
            self.states[name] = F
            if self.chance.random() < 0.5:
                self.acted.append(name)  # acted, but the answer never came
        else:
            self.acted.append(name)
            self.states[name] = D


@st.composite
def sagas(draw: st.DrawFn) -> tuple[Stage, ...]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    pivot_from = draw(st.integers(1, len(sizes)))
    stages = []
    for number, size in enumerate(sizes):
        pivot = number >= pivot_from
        stages.append(
            tuple(
                PlannedStep(
                    f"{number}.{place}",
                    acts=pivot or number > 0 or draw(st.booleans()),
                    undoable=not pivot and draw(st.booleans()),
                    pivot=pivot,
                )
                for place in range(size)
            )
        )
    return tuple(stages)


@settings(max_examples=600, deadline=None)
@given(sagas(), st.integers(0, 2**32))
def test_any_order_of_outcomes_and_messages_ends_right(stages: tuple[Stage, ...], seed: int):
    world = World(stages, Random(seed))
    world.settle()
    for turn in range(2000):
        if world.end is RunState.STUCK and world.chance.random() < 0.5:
            world.repair()
        if world.end is not None:
            break
        if world.chance.random() < 0.02:
            world.aborted = True
        if world.messages and turn % 7:
            world.receive()
        elif world.chance.random() < 0.5:
            world.settle()
        else:
            world.sweep()
    steps = {step.name: step for stage in stages for step in stage}
    assert world.end is not None
    assert len(world.acted) == len(set(world.acted))
    assert len(world.undone) == len(set(world.undone))
    assert not any(steps[name].pivot for name in world.undone)
    if world.end is RunState.DONE:
        assert not world.undone
        assert {name for name, step in steps.items() if step.acts} <= set(world.acted) | world.skipped
    if world.end is RunState.UNDONE:
        assert {name for name in world.acted if steps[name].undoable} <= set(world.undone) | world.skipped
        assert not any(steps[name].pivot for name in world.acted)
    stage_of = {step.name: number for number, stage in enumerate(stages) for step in stage}
    order = [stage_of[name] for name in world.undone]
    assert order == sorted(order, reverse=True)
