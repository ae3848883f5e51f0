"""Which markets get a slot: one that is left out without a reason is one that nobody looks for."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from exchange.orderbook import NO, YES, Book
from rewards.estimate import Candidate, Estimate, RewardedMarket, Scored
from rewards.skips import Reason, Skip
from risk.exposure import Headroom
from selection import ranking as choices
from selection.ranking import Selection, SelectionRules, choose
from tests.support import builders
from tests.support.builders import NOW, market, program


def candidate(
    ticker: str,
    net: float = 1.0,
    *,
    payable: float | None = None,
    per_day: float = 0.0,
    costs: float = 0.0,
    yes: float = 0,
    no: float = 0,
    shard: int | None = 0,
    exclusive: bool = False,
) -> Candidate:
    """A market with bids for 50 cents of so many contracts a side, and what they would bring a day."""
    found = RewardedMarket(market(ticker=ticker, shard=shard), (program(ticker=ticker),), exclusive=exclusive)
    bids = tuple(builders.bid(side, "0.50", count) for side, count in ((YES, yes), (NO, no)) if count)
    paid = Decimal(str(net + costs if payable is None else payable))
    estimate = Estimate(0, 0, per_day, 0, paid, paid, net + costs, costs / 0.04, costs * 3 / 4, costs / 4)
    return Candidate(found, Book(ticker, (), ()), Scored(bids, (None,), (Decimal(0),) * len(bids)), estimate, NOW)


AMPLE = Headroom(Decimal(1_000), Decimal(1_000), Decimal(1_000))


NONE: frozenset[str] = frozenset()


def chosen(selection: Selection) -> list[str]:
    return [candidate.ticker for candidate in selection.chosen]


def reasons(selection: Selection) -> dict[str, Reason]:
    assert len({skip.ticker for skip in selection.skipped}) == len(selection.skipped)
    return {skip.ticker: skip.reason for skip in selection.skipped}


def test_slots_go_to_the_markets_with_the_best_net() -> None:
    """The bot ranks markets by what they bring after the cost of fills. A market that gets no slot is skipped
    with its rank and is a runner-up."""
    busy = candidate("KXBUSY-1", 1.0, costs=5.0)
    quiet = candidate("KXQUIET-1", 2.0)
    fair = candidate("KXFAIR-1", 1.5)
    selection = choose([busy, fair, quiet], [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == ["KXQUIET-1", "KXFAIR-1"]
    (skip,) = selection.skipped
    assert skip == Skip("KXBUSY-1", Reason.TRADE_TICKER_SIZE, "Rank", "3 of 3, the best 2 are quoted")
    assert selection.runners_up == (busy,)
    assert selection.unpaid == NONE


def test_equal_markets_are_chosen_by_ticker() -> None:
    """The order in which the markets came in does not decide between equals."""
    ones = [candidate(f"KX{name}-1") for name in "BCA"]
    assert chosen(choose(ones, [], SelectionRules(2), AMPLE, NONE)) == ["KXA-1", "KXB-1"]


@pytest.mark.parametrize(("net", "quoted"), [(0.01, True), (0.0, False), (-2.0, False)])
def test_a_market_whose_fills_eat_its_reward_is_not_quoted(net: float, quoted: bool) -> None:
    selection = choose([candidate("KXBUSY-1", net, payable=5, costs=4.0)], [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == (["KXBUSY-1"] if quoted else [])
    if not quoted:
        (skip,) = selection.skipped
        assert (skip.reason, skip.label) == (Reason.FILL_COST, "Net a day")
        assert skip.number == f"{'-$2.0000' if net else '$0.0000'}, 100.0 fills a day cost $4.0000 a day"


def test_a_market_below_the_minimum_reward_is_not_quoted() -> None:
    """A market that pays less a window than the minimum is skipped with both sums, even if a slot stays free."""
    ones = [
        candidate("KXA-1", 1, payable=1.99),
        candidate("KXB-1", 1, payable=2),
        candidate("KXC-1", 0, per_day=9),
    ]
    selection = choose(ones, [], SelectionRules(3, Decimal(2)), AMPLE, NONE)
    assert chosen(selection) == ["KXB-1"]
    assert reasons(selection) == {"KXA-1": Reason.MIN_REWARD, "KXC-1": Reason.MIN_REWARD}
    assert selection.skipped[0].number == "$1.99 of $2.00 a window"
    assert selection.unpaid == NONE


def test_free_slots_go_to_markets_below_the_floor() -> None:
    """Paid markets come first. Free slots then go to the markets with the most reward a day before the floor,
    and the selection names them as unpaid."""
    ones = [
        candidate("KXLESS-1", 0, per_day=0.1),
        candidate("KXMORE-1", -3, payable=0, per_day=0.9, costs=3),
        candidate("KXPAID-1", 0.3, per_day=0.3),
    ]
    selection = choose(ones, [], SelectionRules(2), AMPLE, NONE)
    assert chosen(selection) == ["KXPAID-1", "KXMORE-1"]
    assert selection.unpaid == {"KXMORE-1"}
    assert reasons(selection) == {"KXLESS-1": Reason.TRADE_TICKER_SIZE}
    assert chosen(choose(ones, [], SelectionRules(1), AMPLE, NONE)) == ["KXPAID-1"]


def test_a_quoted_unpaid_market_does_not_outrank_a_paid_one() -> None:
    """The advantage of a market that is quoted already does not lift it over a market that pays."""
    ones = [candidate("KXIDLE-1", 0, per_day=50), candidate("KXPAID-1", 0.1)]
    selection = choose(ones, [], SelectionRules(1), AMPLE, frozenset({"KXIDLE-1"}))
    assert chosen(selection) == ["KXPAID-1"]


@pytest.mark.parametrize(("other", "stays"), [(1.2, True), (1.3, False)])
@pytest.mark.parametrize("paid", [True, False])
def test_a_slightly_better_market_does_not_take_a_quoted_slot(other: float, stays: bool, paid: bool) -> None:
    """A market that is quoted already loses its slot only if the other one is clearly better. This holds for
    paid and for unpaid markets."""
    if paid:
        ones = [candidate("KXOTHER-1", other), candidate("KXQUOTED-1", 1.0)]
    else:
        ones = [candidate("KXOTHER-1", 0, per_day=other), candidate("KXQUOTED-1", 0, per_day=1.0)]
    assert chosen(choose(ones, [], SelectionRules(1), AMPLE, NONE)) == ["KXOTHER-1"]
    kept = chosen(choose(ones, [], SelectionRules(1), AMPLE, frozenset({"KXQUOTED-1"})))
    assert kept == (["KXQUOTED-1"] if stays else ["KXOTHER-1"])


def test_a_market_that_exceeds_the_capital_gives_way_to_the_next() -> None:
    """A market that does not fit in the capital is skipped with what it needs and what is left. The next one
    that fits gets the slot."""
    headroom = Headroom(Decimal(10), Decimal(1_000), Decimal(1_000))
    ones = [
        candidate("KXA-1", 3, yes=12), candidate("KXB-1", 2, yes=6, no=4), candidate("KXC-1", 1, no=8),
        candidate("KXD-1", 0.5, yes=1),
    ]  # fmt: skip
    selection = choose(ones, [], SelectionRules(3), headroom, NONE)
    assert chosen(selection) == ["KXA-1", "KXC-1"]
    assert reasons(selection) == {"KXB-1": Reason.MAX_CAPITAL, "KXD-1": Reason.MAX_CAPITAL}
    assert [skip.number for skip in selection.skipped] == ["$5.00, $4.00 left", "$0.50, $0.00 left"]


def test_cash_on_another_shard_is_of_no_use() -> None:
    headroom = Headroom(Decimal(1_000), Decimal(1_000), Decimal(20), {0: Decimal(3), 1: Decimal(17)})
    ones = [
        candidate("KXA-1", 3, yes=8), candidate("KXB-1", 2, yes=34, shard=1), candidate("KXC-1", 1, yes=6),
        candidate("KXD-1", 0.5, yes=1, shard=2),
    ]  # fmt: skip
    selection = choose(ones, [], SelectionRules(4), headroom, NONE)
    assert chosen(selection) == ["KXB-1", "KXC-1"]
    assert reasons(selection) == {"KXA-1": Reason.CASH, "KXD-1": Reason.CASH}
    assert selection.skipped[0].number == "$4.00, $3.00 free on shard 0"


def test_strikes_of_one_event_share_one_loss_limit() -> None:
    """The strikes of one event count as one bet. A strike that would exceed the event's loss limit is skipped
    with both sums, and another event gets the slot."""
    headroom = Headroom(Decimal(1_000), Decimal(10), Decimal(1_000))
    strikes = [candidate(f"KXRAIN-1-{name}", 3, no=12) for name in "AB"]
    selection = choose([*strikes, candidate("KXSUN-1-A", 1, yes=12)], [], SelectionRules(2), headroom, NONE)
    assert chosen(selection) == ["KXRAIN-1-A", "KXSUN-1-A"]
    assert reasons(selection) == {"KXRAIN-1-B": Reason.MAX_EVENT_LOSS}
    assert selection.skipped[0].number == "$12.00 with it, limit $10.00"


def test_exclusive_strikes_do_not_add_up_their_no_losses() -> None:
    """If strikes exclude each other, at most one NO bid loses, so all fit in the event's loss limit. Their YES
    bids can all lose, so one fits."""
    headroom = Headroom(Decimal(1_000), Decimal(10), Decimal(1_000))
    no = [candidate(f"KXRAIN-1-{name}", 3, no=12, exclusive=True) for name in "ABC"]
    yes = [candidate(f"KXRAIN-1-{name}", 3, yes=12, exclusive=True) for name in "ABC"]
    assert len(choose(no, [], SelectionRules(3), headroom, NONE).chosen) == 3
    assert len(choose(yes, [], SelectionRules(3), headroom, NONE).chosen) == 1


def test_one_side_of_a_quote_is_filled_alone() -> None:
    pair = candidate("KXA-1", yes=12, no=8)
    assert choices.losses(pair) == (Decimal(4), Decimal(6))
    assert choices.broken_limit(pair, Headroom(Decimal(10), Decimal(6), Decimal(10))) is None
    lacking = choices.broken_limit(pair, Headroom(Decimal(10), Decimal("5.99"), Decimal(10)))
    assert lacking is not None
    assert lacking.reason is Reason.MAX_EVENT_LOSS


def test_a_market_left_out_before_keeps_its_reason() -> None:
    """A market that was left out before the selection comes last among the skipped markets."""
    before = Skip("KXZ-1", Reason.NO_BOOK, "Book", "not sent by the exchange")
    selection = choose([candidate("KXA-1"), candidate("KXB-1")], [before], SelectionRules(1), AMPLE, NONE)
    assert selection.skipped[-1] == before
    assert len(selection.skipped) == 2


@st.composite
def boards(draw: st.DrawFn) -> list[Candidate]:
    """Markets of a few events on a few shards. What is known of an event holds for all of its markets."""
    exclusive = {event: draw(st.booleans()) for event in "PQR"}
    shards = draw(st.sampled_from([(None,), (0, 1)]))
    count = st.integers(0, 40)
    found = []
    for number in range(draw(st.integers(0, 12))):
        name = draw(st.sampled_from("PQR"))
        found.append(
            candidate(
                f"KX-{name}-{number}",
                draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])),
                payable=draw(st.sampled_from([0, 1, 1.5, 3])),
                per_day=draw(st.sampled_from([0.0, 0.5, 1.0, 2.0])),
                yes=draw(count),
                no=draw(count),
                shard=draw(st.sampled_from(shards)),
                exclusive=exclusive[name],
            )
        )
    return found


@settings(max_examples=200)
@given(
    boards(), st.integers(1, 6), st.sampled_from([0, 1, 2]), st.integers(0, 60), st.integers(0, 20),
    st.tuples(st.integers(0, 40), st.integers(0, 40)), st.booleans(), st.sets(st.integers(0, 11)),
)  # fmt: skip
def test_every_market_is_chosen_or_skipped_once_within_limits(
    board: list[Candidate], slots: int, min_reward: int, capital: int, event_loss: int,
    cash: tuple[int, int], told: bool, quoted: set[int],
) -> None:  # fmt: skip
    """A market that is not chosen has exactly one reason. The chosen markets keep within slots, minimum reward,
    capital, cash of each shard and event loss, with the paid ones first."""
    by_shard = {0: Decimal(cash[0]), 1: Decimal(cash[1])} if told else None
    headroom = Headroom(Decimal(capital), Decimal(event_loss), Decimal(sum(cash)), by_shard)
    names = frozenset(one.ticker for one in board if int(one.ticker.rpartition("-")[2]) in quoted)
    before = Skip("KXBEFORE-1", Reason.NO_BOOK, "Book", "not sent by the exchange")
    selection = choose(board, [before], SelectionRules(slots, Decimal(min_reward)), headroom, names)
    told_of = Counter([*chosen(selection), *(skip.ticker for skip in selection.skipped)])
    assert told_of == Counter([*(one.ticker for one in board), "KXBEFORE-1"])
    assert len(selection.chosen) <= slots
    for reason in set(reasons(selection).values()):
        event(reason.name)
    paid = [bool(one.conservative.payable) for one in selection.chosen]
    assert paid == sorted(paid, reverse=True)
    assert selection.unpaid == {one.ticker for one in selection.chosen if not one.conservative.payable}
    assert all(one.conservative.payable >= min_reward for one in selection.chosen)
    assert all(one.conservative.net_per_day > 0 for one in selection.chosen if one.conservative.payable)
    if Reason.TRADE_TICKER_SIZE in reasons(selection).values():
        assert len(selection.chosen) == slots
    tied_up = {one.ticker: sum(bid.price * bid.count for bid in one.bids) for one in selection.chosen}
    assert sum(tied_up.values()) <= capital
    assert sum(tied_up.values()) <= sum(cash)
    for shard, free in (by_shard or {}).items():
        on_it = [one.ticker for one in selection.chosen if one.incentive.market.exchange_index == shard]
        assert sum(tied_up[ticker] for ticker in on_it) <= free
    for name in "PQR":
        same = [one for one in selection.chosen if one.incentive.market.event_ticker == f"KX-{name}"]
        worst = [{bid.side: bid.price * bid.count for bid in one.bids} for one in same]
        if same and same[0].incentive.exclusive:
            yes_loses = sum(cost.get(YES, 0) for cost in worst)
            outcomes = [yes_loses - cost.get(YES, 0) + cost.get(NO, 0) for cost in worst]
            assert max(yes_loses, *outcomes) <= event_loss
        else:
            assert sum(max(cost.values(), default=0) for cost in worst) <= event_loss
