"""Requests that come while another is served: within the window they are served too (PS3.7 §D.3.3.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from dimse.associate import ProposedContext, Role
from dimse.command import Command, CommandField, respond_to
from dimse.operation import Cancelled, Operation, OutgoingInstance, Service
from dimse.pdu import PduType, pdvs
from dimse.sop_classes import GET
from tests.dimse.wire import CONTEXTS, Wire, echo_command, request, store_command
from tests.dimse.world import CT_IMAGE_STORAGE, EXPLICIT, World, running

GET_CLASS = "1.2.840.10008.5.1.4.1.2.2.3"
DATA_SET = bytes(range(256)) * 400
OBJECTS = 3


def get(operation: Operation) -> None:
    """Sends `OBJECTS` objects, named by the identifier, and answers with how many were taken."""
    name = operation.identifier().decode().rstrip("\0")
    [context] = [context for context in operation.contexts if context.is_scu]
    taken = 0
    for number in range(1, OBJECTS + 1):
        try:
            operation.go_on()
        except Cancelled:
            operation.respond(0xFE00, NumberOfCompletedSuboperations=taken)
            return
        instance = OutgoingInstance(CT_IMAGE_STORAGE, f"{name}.{number}", (b"abcd",))
        taken += operation.store(context, instance).status == 0
    operation.respond(0, NumberOfCompletedSuboperations=taken)


@dataclass
class Getter:
    """A peer that counts what comes, and answers an object only when it is told to."""

    wire: Wire
    objects: list[Command] = field(default_factory=list)
    finals: dict[int, Command] = field(default_factory=dict)

    def get(self, number: int, name: bytes) -> None:
        command = Command(
            CommandField=CommandField.C_GET_RQ, MessageID=number, AffectedSOPClassUID=GET_CLASS, Priority=0
        )
        self.wire.ask(5, command, name)

    def cancel(self, number: int) -> None:
        self.wire.ask(5, Command(CommandField=CommandField.C_CANCEL_RQ, MessageIDBeingRespondedTo=number))

    def take(self, which: int = -1) -> None:
        """Answer the newest object that waits, or another."""
        self.wire.ask(3, respond_to(self.objects.pop(which), 0))

    def see(self) -> Command:
        """The next message: kept in its place, and returned."""
        command = self.wire.response()
        if command.field == CommandField.C_STORE_RQ:
            kind, body = self.wire.pdu()
            [pdv] = pdvs(memoryview(body))
            assert kind == PduType.P_DATA_TF and not pdv.is_command
            self.objects.append(command)
        else:
            assert command.responds_to not in self.finals, "answered twice"
            self.finals[command.responds_to] = command
        return command

    def see_object(self, uid: str) -> None:
        assert self.see()["AffectedSOPInstanceUID"] == uid

    def see_answer(self, number: int, taken: int | None = None, status: int = 0) -> None:
        answer = self.see()
        assert (answer.responds_to, answer.status) == (number, status)
        assert answer.get("NumberOfCompletedSuboperations") == taken


@pytest.fixture
def world() -> Iterator[World]:
    with running(services=(Service(CommandField.C_GET_RQ, "get", GET, get),)) as running_world:
        yield running_world


def associated(wire: Wire, window: int) -> Getter:
    contexts = (*CONTEXTS, ProposedContext(5, GET_CLASS, (EXPLICIT,)))
    both = {CT_IMAGE_STORAGE: Role(scu=True, scp=True)}
    accept = wire.associate(request(contexts, roles=both, window=(window, 1)))
    assert accept.user.window == (window, 1)
    return Getter(wire)


def test_an_echo_and_a_store_while_objects_are_fetched(world: World) -> None:
    with Wire(world.port) as wire:
        getter = associated(wire, 8)
        getter.get(1, b"1.9")
        getter.see_object("1.9.1")
        wire.ask(1, echo_command(2))
        getter.see_answer(2)
        wire.ask(3, store_command(3, "1.2.3"), DATA_SET)
        getter.see_answer(3)
        getter.take()
        getter.see_object("1.9.2")
        for number in (4, 5, 6):  # together with the answer: found between two objects, or before one
            wire.ask(1, echo_command(number))
        getter.take()
        wire.ask(3, store_command(7, "1.2.4"), DATA_SET)
        while len(getter.finals) < 6:
            getter.see()
        while 1 not in getter.finals:
            if not getter.objects:
                getter.see()
            else:
                getter.take()
        wire.release()
    assert {number: answer.status for number, answer in getter.finals.items()} == dict.fromkeys(
        range(1, 8), 0
    )
    assert getter.finals[1]["NumberOfCompletedSuboperations"] == OBJECTS
    assert [kept.data_set for kept in world.archive.kept] == [DATA_SET] * 2


def test_two_gets_whose_answers_cross(world: World) -> None:
    with Wire(world.port) as wire:
        getter = associated(wire, 2)
        getter.get(1, b"1.8")
        getter.see_object("1.8.1")
        getter.get(2, b"1.9")
        getter.see_object("1.9.1")
        getter.take(0)  # the outer one's, while the inner one waits
        getter.take()
        getter.see_object("1.9.2")
        getter.take()
        getter.see_object("1.9.3")
        getter.take()
        getter.see_answer(2, OBJECTS)
        getter.see_object("1.8.2")
        getter.take()
        getter.see_object("1.8.3")
        getter.take()
        getter.see_answer(1, OBJECTS)
        wire.release()


def test_a_cancel_finds_the_one_that_it_names(world: World) -> None:
    with Wire(world.port) as wire:
        getter = associated(wire, 2)
        getter.get(1, b"1.8")
        getter.see_object("1.8.1")
        getter.get(2, b"1.9")
        getter.see_object("1.9.1")
        getter.cancel(1)  # not the one just served
        getter.cancel(7)  # nobody
        getter.take()
        getter.see_object("1.9.2")
        getter.cancel(2)
        getter.take()
        getter.see_answer(2, 2, status=0xFE00)
        getter.take()
        getter.see_answer(1, 1, status=0xFE00)
        getter.get(1, b"1.7")  # the number again: its cancel is over
        getter.see_object("1.7.1")


@pytest.mark.parametrize("window", [1, 2])
def test_one_more_than_the_window_is_a_violation(world: World, window: int) -> None:
    """Beyond the window nobody is owed anything, and what it costs has an end."""
    with Wire(world.port) as wire:
        getter = associated(wire, window)
        for number in range(1, window + 1):
            getter.get(number, b"1.%d" % number)
            getter.see_object(f"1.{number}.1")
        wire.ask(1, echo_command(9))
        assert wire.aborted()[0] in (0, 2)


def test_an_answer_that_nobody_waits_for_is_a_violation(world: World) -> None:
    with Wire(world.port) as wire:
        getter = associated(wire, 2)
        getter.get(1, b"1.8")
        getter.see_object("1.8.1")
        [first] = getter.objects
        getter.take()
        getter.see_object("1.8.2")
        wire.ask(3, respond_to(first, 0))
        assert wire.aborted()[0] == 2
