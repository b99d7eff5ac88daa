"""Reserves stock for batches of orders with a constant number of statements, and never more than is available."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from django.db import transaction

from events.db.query import execute
from events.log.aggregate import save_all
from events.log.append import emit
from inventory import sql
from inventory.allocation import Shelf, Shelves
from inventory.events import Allocation, InventoryLow, Shortage
from inventory.models import Reservation, ReservationState, Stock

Wanted = Mapping[UUID, Sequence[tuple[str, int]]]
"""The (SKU, quantity) lines by order id."""
STATE = ("state",)


class _Portion(msgspec.Struct):
    """One hold with its stock. `left` is the quantity that has not been returned to stock."""

    hold_id: int
    stock_id: int
    allocation: Allocation
    left: int


def hold(wanted: Wanted) -> dict[UUID, list[Shortage]]:
    """Holds stock for the orders in the given sequence; returns the shortages of orders that could not be served.

    Idempotent: an order that already has a reservation keeps it.
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
            execute(sql.HOLD, {**parameters, "ids": list(taken), "taken": list(taken.values())})
        _emit_low_stock(shelves, before)
    return short


def release(order_ids: Sequence[UUID], reason: str) -> None:
    """Releases the holds of these orders; an order without a hold is left as it is."""
    with transaction.atomic(savepoint=False):
        reservations = [one for one in _locked(order_ids) if one.state == ReservationState.HELD]
        portions = _portions(reservations)
        for reservation in reservations:
            reservation.release(reason)
        save_all(reservations, STATE)
        _change_by(portions, on_hand=0, held=-1)


def commit(order_ids: Sequence[UUID]) -> None:
    """Takes the held goods out of stock. Renews an expired hold first. Idempotent.

    Raises HoldLost if a hold has expired and the goods are no longer available.
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
    """The hold expired and the goods went to other orders. Add stock, then retry the step."""


def _hold_again(expired: Sequence[Reservation], portions: Mapping[UUID, Sequence[_Portion]]) -> None:
    if not expired:
        return
    of_expired = {one.order_id: portions[one.order_id] for one in expired}
    taken = _totals(of_expired)
    execute(sql.LOCK_STOCK, [sorted(taken)])
    free = {stock.id: stock.available for stock in Stock.objects.filter(id__in=taken)}
    if any(free[stock_id] < quantity for stock_id, quantity in taken.items()):
        raise HoldLost("The hold expired and the goods went to other orders. Add stock, then retry the step.")
    for reservation in expired:
        reservation.hold([portion.allocation for portion in portions[reservation.order_id]])
    save_all(expired, (*STATE, "expires_at"))
    _change_by(of_expired, on_hand=0, held=1)


def restock(order_ids: Sequence[UUID]) -> None:
    """All goods of these orders return to the shelves they came from; only what was committed."""
    with transaction.atomic(savepoint=False):
        portions = _portions(_committed(order_ids))
        restock_items([(id_, [(one.allocation.sku, one.left) for one in held]) for id_, held in portions.items()])


def restock_items(returns: Sequence[tuple[UUID, Sequence[tuple[str, int]]]], *, unshipped: bool = False) -> None:
    """Some goods of these orders, (SKU, quantity) each, return to the shelves they came from.

    An order can occur more than once. Never returns more than was committed. An order's goods are shipped from its
    shelves in the order of its holds, so goods that are still `unshipped` lie on the last of them.
    """
    take_back([Arrival(order_id, order_id, "", items, unshipped=unshipped) for order_id, items in returns])


class Arrival(msgspec.Struct, frozen=True):
    """Goods of an order that come back. `about` is the id of the return; for a cancellation, of the order.

    Without a warehouse they go to the shelves that they came from. Goods are (SKU, quantity) pairs.
    """

    about: UUID
    order_id: UUID
    warehouse: str
    restocked: Sequence[tuple[str, int]]
    written_off: Sequence[tuple[str, int]] = ()
    unshipped: bool = False


def take_back(arrivals: Sequence[Arrival]) -> None:
    """Increases the stock by what can be sold again. Never takes back more than was committed."""
    with transaction.atomic(savepoint=False):
        reservations = {one.order_id: one for one in _committed([one.order_id for one in arrivals])}
        portions = _portions(list(reservations.values()))
        back = _Back()
        for arrival in arrivals:
            if arrival.order_id in reservations:
                held = portions[arrival.order_id]
                back.add(arrival, reservations[arrival.order_id], held[::-1] if arrival.unshipped else held)
        save_all([one for one in reservations.values() if one.recorded], STATE)
        holds = list(back.restocked | back.written_off)
        execute(sql.BACK, [holds, [back.restocked[id_] for id_ in holds], [back.written_off[id_] for id_ in holds]])
        stocks = {
            (one.allocation.sku, one.allocation.warehouse): one.stock_id for held in portions.values() for one in held
        }
        stocks |= _stocks_at(back.on_hand.keys() - stocks.keys())
        _change({stocks[place]: (quantity, 0) for place, quantity in back.on_hand.items()})


class _Back:
    """What comes back, by hold, and what is then on hand, by (SKU, warehouse)."""

    def __init__(self) -> None:
        self.restocked: Counter[int] = Counter()
        self.written_off: Counter[int] = Counter()
        self.on_hand: Counter[tuple[str, str]] = Counter()

    def add(self, arrival: Arrival, reservation: Reservation, portions: Sequence[_Portion]) -> None:
        """Records it on the reservation, and reduces what is left of the portions."""
        if restocked := self._take(arrival, portions, arrival.restocked, self.restocked):
            reservation.restock(restocked, whole=not any(portion.left for portion in portions))
            for one in restocked:
                self.on_hand[one.sku, one.warehouse] += one.quantity
        if written_off := self._take(arrival, portions, arrival.written_off, self.written_off):
            reservation.write_off(arrival.about, written_off, whole=not any(portion.left for portion in portions))

    def _take(
        self, arrival: Arrival, portions: Sequence[_Portion], items: Sequence[tuple[str, int]], by_hold: Counter[int]
    ) -> list[Allocation]:
        """Where these items are now."""
        places: Counter[tuple[str, str]] = Counter()
        for portion, quantity in _take(portions, items):
            by_hold[portion.hold_id] += quantity
            places[portion.allocation.sku, arrival.warehouse or portion.allocation.warehouse] += quantity
        return [Allocation(sku, warehouse, quantity) for (sku, warehouse), quantity in places.items()]


def _stocks_at(places: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The ids of the stock rows by (SKU, warehouse). Creates those that are missing."""
    if not places:
        return {}
    skus, codes = [sku for sku, _ in places], [warehouse for _, warehouse in places]
    execute(sql.ENSURE_STOCK, [skus, codes])
    return {(sku, warehouse): id_ for sku, warehouse, id_ in execute(sql.STOCK_AT, [skus, codes])}


def _take(portions: Sequence[_Portion], items: Sequence[tuple[str, int]]) -> list[tuple[_Portion, int]]:
    """Distributes the items over the portions and reduces their `left`. Returns (portion, quantity) pairs."""
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
    for row in execute(sql.LOCK_PRODUCTS, [sorted(skus)]):
        by_sku[row[1]].append(Shelf(*row))
    for shelves in by_sku.values():
        shelves.sort(key=lambda shelf: (shelf.priority, shelf.warehouse))
    return Shelves(by_sku)


def _reservations(order_ids: Wanted) -> set[UUID]:
    return {order_id for (order_id,) in execute(sql.RESERVED, [list(order_ids)])}


def _locked(order_ids: Sequence[UUID]) -> list[Reservation]:
    return Reservation.locked(order_ids, *STATE)


def _committed(order_ids: Sequence[UUID]) -> list[Reservation]:
    return [one for one in _locked(order_ids) if one.state == ReservationState.COMMITTED]


def _portions(reservations: Sequence[Reservation]) -> dict[UUID, list[_Portion]]:
    portions: dict[UUID, list[_Portion]] = {reservation.order_id: [] for reservation in reservations}
    if portions:
        for order_id, hold_id, stock_id, sku, warehouse, quantity, left in execute(sql.HOLDS, [list(portions)]):
            portions[order_id].append(_Portion(hold_id, stock_id, Allocation(sku, warehouse, quantity), left))
    return portions


def _change_by(portions: Mapping[UUID, Sequence[_Portion]], *, on_hand: int, held: int) -> None:
    totals = _totals(portions)
    _change({stock_id: (on_hand * total, held * total) for stock_id, total in totals.items()})


def _totals(portions: Mapping[UUID, Sequence[_Portion]]) -> dict[int, int]:
    """The total quantity by stock id."""
    totals: dict[int, int] = defaultdict(int)
    for of_order in portions.values():
        for portion in of_order:
            totals[portion.stock_id] += portion.allocation.quantity
    return totals


def _change(changes: Mapping[int, tuple[int, int]]) -> None:
    if changes:
        on_hand = [change[0] for change in changes.values()]
        held = [change[1] for change in changes.values()]
        execute(sql.CHANGE_STOCK, {"ids": list(changes), "on_hand": on_hand, "held": held})


def _emit_low_stock(shelves: Shelves, before: Mapping[str, int]) -> None:
    """Emits `inventory.low` for each product whose availability fell below its threshold in this batch."""
    low = [
        InventoryLow(sku=sku, available=left, threshold=threshold)
        for sku, (shelf, *_) in shelves.by_sku.items()
        if (left := shelves.available(sku)) < (threshold := shelf.low_stock) <= before[sku]
    ]
    if low:
        emit(low)
