"""Reserving stock for many orders at once, with a constant number of statements, and never more than there is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec
from django.db import transaction
from msgspec.structs import replace

from events.aggregate import save_all
from events.log import emit
from inventory import sql
from inventory.allocation import Shelf, Shelves
from inventory.events import Allocation, InventoryLow, Shortage
from inventory.models import Reservation, ReservationState, Stock

Wanted = Mapping[UUID, Sequence[tuple[str, int]]]
"""By order: (SKU, quantity) of each line."""
STATE = ("state",)


class _Portion(msgspec.Struct):
    """One hold with all that is known of its stock; `left` is what of it has not come back yet."""

    hold_id: int
    stock_id: int
    allocation: Allocation
    left: int


def hold(wanted: Wanted) -> dict[UUID, list[Shortage]]:
    """Holds stock for these orders as far as it goes, first come first served; returns what is short, by order.

    An order that has a reservation already keeps it: asking twice holds once.
    """
    with transaction.atomic(savepoint=False):
        shelves = _lock({sku for items in wanted.values() for sku, _ in items})
        known = _reservations(wanted)
        reservations, holds, short = [], [], {}
        before = {sku: shelves.available(sku) for sku in shelves.by_sku}
        for order_id, items in wanted.items():
            if order_id in known:
                continue
            reservation = Reservation(order_id=order_id)
            outcome = shelves.allocate(items)
            shortages = [one for one in outcome if isinstance(one, Shortage)]
            portions = [one for one in outcome if not isinstance(one, Shortage)]
            if shortages:
                reservation.reject(shortages)
                short[order_id] = shortages
            else:
                reservation.hold([Allocation(shelf.sku, shelf.warehouse, quantity) for shelf, quantity in portions])
                holds += [(order_id, shelf.stock_id, quantity) for shelf, quantity in portions]
            reservations.append(reservation)
        save_all(reservations)
        if holds:
            held_by, stocks, quantities = (list(column) for column in zip(*holds, strict=True))
            taken = {shelf.stock_id: shelf.taken for row in shelves.by_sku.values() for shelf in row if shelf.taken}
            parameters = {"reservations": held_by, "stocks": stocks, "quantities": quantities}
            sql.run(sql.HOLD, {**parameters, "ids": list(taken), "taken": list(taken.values())})
        _tell_low(shelves, before)
    return short


def release(order_ids: Sequence[UUID], reason: str) -> None:
    """Gives up the holds of these orders; one without a hold is left as it is."""
    with transaction.atomic(savepoint=False):
        reservations = [one for one in _locked(order_ids) if one.state == ReservationState.HELD]
        portions = _portions(reservations)
        for reservation in reservations:
            reservation.release(reason)
        save_all(reservations, STATE)
        _change_by(portions, on_hand=0, held=-1)


def commit(order_ids: Sequence[UUID]) -> None:
    """The held goods leave the stock. A hold that ran out in the meantime is held again first.

    Raises HoldLost when that is no longer possible.
    """
    with transaction.atomic(savepoint=False):
        known = [one for one in _locked(order_ids) if one.state in {ReservationState.HELD, ReservationState.RELEASED}]
        portions = _portions(known)
        _hold_again([one for one in known if one.state == ReservationState.RELEASED], portions)
        for reservation in known:
            reservation.commit([portion.allocation for portion in portions[reservation.order_id]])
        save_all(known, STATE)
        _change_by(portions, on_hand=-1, held=-1)


class HoldLost(Exception):
    """The hold ran out and the goods went to others: restock, then retry the step."""


def _hold_again(expired: Sequence[Reservation], portions: Mapping[UUID, Sequence[_Portion]]) -> None:
    if not expired:
        return
    of_expired = {one.order_id: portions[one.order_id] for one in expired}
    taken = _totals(of_expired)
    sql.run(sql.LOCK_STOCK, [sorted(taken)])
    free = {stock.id: stock.available for stock in Stock.objects.filter(id__in=taken)}
    if any(free[stock_id] < quantity for stock_id, quantity in taken.items()):
        raise HoldLost("the hold ran out and the goods went to others: restock, then retry the step")
    for reservation in expired:
        reservation.hold([portion.allocation for portion in portions[reservation.order_id]])
    save_all(expired, (*STATE, "expires_at"))
    _change_by(of_expired, on_hand=0, held=1)


def put_back(order_ids: Sequence[UUID]) -> None:
    """All goods of these orders return to the shelves they came from; only what was committed."""
    with transaction.atomic(savepoint=False):
        portions = _portions(_committed(order_ids))
        take_back([(id_, [(one.allocation.sku, one.left) for one in held]) for id_, held in portions.items()])


def take_back(returns: Sequence[tuple[UUID, Sequence[tuple[str, int]]]]) -> None:
    """Some goods of these orders, (SKU, quantity) each, return to the shelves they came from.

    An order may stand here more than once. No more comes back than was committed.
    """
    with transaction.atomic(savepoint=False):
        reservations = {one.order_id: one for one in _committed([id_ for id_, _ in returns])}
        portions = _portions(list(reservations.values()))
        on_hold: Counter[int] = Counter()
        on_hand: Counter[int] = Counter()
        for order_id, items in returns:
            back = _take(portions.get(order_id, []), items)
            if back:
                whole = not any(portion.left for portion in portions[order_id])
                allocations = [replace(portion.allocation, quantity=quantity) for portion, quantity in back]
                reservations[order_id].restock(allocations, whole=whole)
            for portion, quantity in back:
                on_hold[portion.hold_id] += quantity
                on_hand[portion.stock_id] += quantity
        save_all([one for one in reservations.values() if one.recorded], STATE)
        sql.run(sql.RESTOCK, [list(on_hold), list(on_hold.values())])
        _change({stock_id: (quantity, 0) for stock_id, quantity in on_hand.items()})


def _take(portions: Sequence[_Portion], items: Sequence[tuple[str, int]]) -> list[tuple[_Portion, int]]:
    """What comes back to each of these shelves; the portions' `left` is less by it afterwards."""
    wanted: Counter[str] = Counter()
    for sku, quantity in items:
        wanted[sku] += quantity
    back = []
    for portion in portions:
        sku = portion.allocation.sku
        quantity = min(wanted[sku], portion.left)
        if quantity:
            wanted[sku] -= quantity
            portion.left -= quantity
            back.append((portion, quantity))
    return back


def _lock(skus: set[str]) -> Shelves:
    by_sku: dict[str, list[Shelf]] = defaultdict(list)
    for row in sql.run(sql.LOCK_PRODUCTS, [sorted(skus)]):
        by_sku[row[1]].append(Shelf(*row))
    for shelves in by_sku.values():
        shelves.sort(key=lambda shelf: (shelf.priority, shelf.warehouse))
    return Shelves(by_sku)


def _reservations(order_ids: Wanted) -> set[UUID]:
    return {order_id for (order_id,) in sql.run(sql.RESERVED, [list(order_ids)])}


def _locked(order_ids: Sequence[UUID]) -> list[Reservation]:
    return Reservation.locked(order_ids, *STATE)


def _committed(order_ids: Sequence[UUID]) -> list[Reservation]:
    return [one for one in _locked(order_ids) if one.state == ReservationState.COMMITTED]


def _portions(reservations: Sequence[Reservation]) -> dict[UUID, list[_Portion]]:
    portions: dict[UUID, list[_Portion]] = {reservation.order_id: [] for reservation in reservations}
    if portions:
        for order_id, hold_id, stock_id, sku, warehouse, quantity, left in sql.run(sql.HOLDS, [list(portions)]):
            portions[order_id].append(_Portion(hold_id, stock_id, Allocation(sku, warehouse, quantity), left))
    return portions


def _change_by(portions: Mapping[UUID, Sequence[_Portion]], *, on_hand: int, held: int) -> None:
    totals = _totals(portions)
    _change({stock_id: (on_hand * total, held * total) for stock_id, total in totals.items()})


def _totals(portions: Mapping[UUID, Sequence[_Portion]]) -> dict[int, int]:
    """By stock: how much of it these orders have."""
    totals: dict[int, int] = defaultdict(int)
    for of_order in portions.values():
        for portion in of_order:
            totals[portion.stock_id] += portion.allocation.quantity
    return totals


def _change(changes: Mapping[int, tuple[int, int]]) -> None:
    if changes:
        on_hand = [change[0] for change in changes.values()]
        held = [change[1] for change in changes.values()]
        sql.run(sql.CHANGE_STOCK, {"ids": list(changes), "on_hand": on_hand, "held": held})


def _tell_low(shelves: Shelves, before: Mapping[str, int]) -> None:
    """Only who crosses the threshold downward is told of, once."""
    low = [
        InventoryLow(sku=sku, available=left, threshold=threshold)
        for sku, (shelf, *_) in shelves.by_sku.items()
        if (left := shelves.available(sku)) < (threshold := shelf.low_stock) <= before[sku]
    ]
    if low:
        emit(low)
