"""Compares everything with everything, after all has settled: the rows, the log, the processor's books, the mail."""

from pathlib import Path

from events.log.verify import differences
from tests.reconcile.goods import goods
from tests.reconcile.history import history
from tests.reconcile.mail import mail
from tests.reconcile.money import money
from tests.reconcile.work import work


def reconcile(stocked: dict[str, int], sandbox_url: str, mail_dir: Path) -> list[str]:
    """All that does not add up, as sentences; empty means every fact agrees with every other.

    `stocked` is what was on hand of each SKU before the first order.
    """
    return [*differences(), *work(), *history(), *goods(stocked), *money(sandbox_url), *mail(mail_dir)]
