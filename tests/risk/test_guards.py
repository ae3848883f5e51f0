"""What is stayed out of after fills and jumps, for how long, and what is said of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from exchange.account import Fill
from exchange.models import Market
from exchange.orderbook import NO, YES, Book, Side
from rewards.skips import Reason, Skip
from risk.guards import JUMP, LOOKS_MISSED, MANY_FILLS, Guards, TargetGrace
from tests.support.builders import NOW, cents, market

PAUSE = timedelta(seconds=120)
ONE = market(ticker="KXA-1")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def fill(side: Side = YES, seconds: float = 0, ticker: str = "KXA-1", taker: bool = False) -> Fill:
    name = f"{ticker}{side}{seconds}"
    return Fill(name, "order", ticker, side, Decimal("0.5"), Decimal(1), Decimal(0), taker, after(seconds))


def look(guards: Guards, yes: int, no: int, seconds: float = 0, quoted: bool = True) -> list[dict[str, str]]:
    book = Book("KXA-1", cents((yes, 10)), cents((no, 10)))
    return guards.on_books({"KXA-1": ONE}, {"KXA-1": book}, {"KXA-1"} if quoted else set(), after(seconds))


def out(guards: Guards, seconds: float, one: Market = ONE) -> list[Reason]:
    return [skip.reason for skip in guards.skips([one], after(seconds)).values()]


def test_a_filled_side_is_not_quoted_until_its_pause_ends() -> None:
    """A filled side is withdrawn for the pause and comes back at its end. The guard tells of both, and states
    the end time."""
    guards = Guards(PAUSE)
    (told,) = guards.on_fills([fill(YES)], NOW)
    assert (told["Ticker"], told["Side"]) == ("KXA-1", "yes")
    assert "filled" in told["Guard"]
    assert f"{after(120).astimezone():%H:%M:%S}" == told["Until"]
    assert set(guards.sides) == {("KXA-1", YES)}
    assert guards.ended(after(119)) == []
    assert guards.ended(after(120)) == [{"Ticker": "KXA-1", "Side": "yes", "Guard": "ended (it was filled)"}]
    assert not guards.sides


def test_a_sale_of_ours_and_a_fill_of_long_ago_pause_nothing() -> None:
    guards = Guards(PAUSE)
    assert guards.on_fills([fill(taker=True), fill(seconds=-121)], NOW) == []
    assert not guards.sides


def test_several_fills_within_a_minute_withdraw_the_market() -> None:
    """After several fills within a minute the whole market is withdrawn, ten times as long as after one fill."""
    guards = Guards(PAUSE)
    guards.on_fills([fill(YES, 0), fill(NO, 30)], after(31))
    assert out(guards, 31) == []
    told = guards.on_fills([fill(YES, 59)], after(60))
    assert any(f"{MANY_FILLS} fills" in one["Guard"] for one in told)
    assert out(guards, 60) == [Reason.GUARD]
    assert out(guards, 59 + 1_199) == [Reason.GUARD]
    assert out(guards, 59 + 1_200) == []


def test_fills_that_are_far_apart_or_elsewhere_are_chance() -> None:
    guards = Guards(PAUSE)
    guards.on_fills([fill(YES, 0), fill(NO, 61), fill(YES, 61, "KXB-1"), fill(YES, 119)], after(119))
    assert out(guards, 119) == []


def test_a_jump_of_the_middle_withdraws_the_market() -> None:
    """If the mid price jumps by several ticks between two looks, the market is withdrawn for a time. A
    small step withdraws nothing."""
    guards = Guards(PAUSE)
    look(guards, 40, 50)
    assert look(guards, 40 + JUMP, 50 - JUMP, 60) == []
    assert out(guards, 60) == []
    (told,) = look(guards, 40 - 1, 50 + 1, 120)
    assert "moved by 6 ticks" in told["Guard"]
    assert out(guards, 120) == [Reason.GUARD]
    assert out(guards, 120 + 1_200) == []


def test_a_book_that_only_widens_has_no_news() -> None:
    guards = Guards(PAUSE)
    look(guards, 45, 50)
    assert look(guards, 25, 30, 60) == []
    assert out(guards, 60) == []


def test_looks_that_are_far_apart_are_not_compared() -> None:
    guards = Guards(PAUSE)
    look(guards, 20, 70)
    guards.forget_books()
    assert look(guards, 70, 20, 3_600) == []
    guards.on_books({"KXA-1": ONE}, {}, set(), after(3_660))
    assert look(guards, 20, 70, 3_720) == [], "it was not looked at in between"


def test_a_jump_elsewhere_is_stayed_out_of_without_a_word() -> None:
    guards = Guards(PAUSE)
    look(guards, 20, 70)
    assert look(guards, 50, 40, 60, quoted=False) == []
    assert out(guards, 60) == [Reason.GUARD]


def test_the_end_of_a_guard_that_was_never_told_is_not_told() -> None:
    """The end of one that was told says what it was."""
    guards = Guards(PAUSE)
    look(guards, 20, 70)
    assert look(guards, 50, 40, 60, quoted=False) == []
    assert guards.ended(after(60 + 10 * PAUSE.total_seconds())) == []
    look(guards, 20, 70, 3_000)
    (told,) = look(guards, 50, 40, 3_060)
    (ended,) = guards.ended(after(3_060 + 10 * PAUSE.total_seconds()))
    assert ended == {"Ticker": "KXA-1", "Guard": f"ended ({told['Guard']})"}


def test_a_guard_that_was_told_and_lasts_longer_is_told_again() -> None:
    """It is not quoted meanwhile, but a person waits for the end that they were told."""
    guards = Guards(PAUSE)
    look(guards, 20, 70)
    (first,) = look(guards, 50, 40, 60)
    (again,) = look(guards, 20, 70, 120, quoted=False)
    assert again["Until"] > first["Until"]
    assert guards.ended(after(60 + 10 * PAUSE.total_seconds())) == []
    assert len(guards.ended(after(120 + 10 * PAUSE.total_seconds()))) == 1


def test_a_guard_is_told_once_its_market_is_quoted() -> None:
    """Untold while nobody quoted there, and longer once somebody did: both its beginning and its end are told."""
    guards = Guards(PAUSE)
    look(guards, 20, 70)
    look(guards, 50, 40, 60, quoted=False)
    assert len(look(guards, 20, 70, 120)) == 1
    assert len(guards.ended(after(120 + 10 * PAUSE.total_seconds()))) == 1


def test_a_triggered_group_pauses_its_shard_once_and_no_other() -> None:
    guards = Guards(PAUSE)
    assert len(guards.on_group_triggered(0, "its group was triggered", NOW)) == 1
    assert guards.on_group_triggered(0, "its group was triggered", after(60)) == []
    assert out(guards, 60) == [Reason.GUARD]
    assert out(guards, 60, market(ticker="KXB-1", shard=1)) == []
    assert guards.ended(after(120)) == [{"Shard": "0", "Guard": "ended (its group was triggered)"}]


def test_without_a_pause_nothing_is_stayed_out_of() -> None:
    guards = Guards(timedelta(0))
    look(guards, 20, 70)
    assert guards.on_fills([fill()], NOW) == look(guards, 70, 20) == []
    assert len(guards.on_group_triggered(0, "why", NOW)) == 1
    assert guards.due(NOW) == [0], "the group has to be reset all the same"
    assert guards.skips([market("A-1")], NOW) != {}, "before that nothing is taken there"


def missed(ticker: str = "KXA-1", reason: Reason = Reason.TARGET_MISSED) -> Skip:
    return Skip(ticker, reason, "Contracts", "1")


def test_a_target_that_is_missed_now_and_then_costs_no_quote() -> None:
    patience, quoted = TargetGrace(), frozenset({"KXA-1"})
    for _ in range(3):
        for _ in range(LOOKS_MISSED - 1):
            assert patience.keeps(quoted, [missed()]) == quoted
        assert patience.keeps(quoted, []) == frozenset()
    kept = [patience.keeps(quoted, [missed()]) for _ in range(LOOKS_MISSED)]
    assert kept == [quoted] * (LOOKS_MISSED - 1) + [frozenset()]


def test_only_a_missed_target_of_a_quoted_market_is_waited_for() -> None:
    patience, quoted = TargetGrace(), frozenset({"KXA-1"})
    assert patience.keeps(quoted, [missed(reason=Reason.TRADE_DELTA)]) == frozenset()
    assert patience.keeps(quoted, [missed("KXB-1")]) == frozenset()
    assert patience.keeps(quoted, [missed(reason=Reason.NO_REFERENCE)]) == quoted
