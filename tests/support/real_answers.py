"""Answers of the real exchange, recorded from June to September 2026, and what they were made of.

Ids and some tickers are replaced. Which reading of them is right is asserted in
`tests/exchange/test_real_answers.py`.
"""

from __future__ import annotations

from typing import Any

ANSWERS: dict[str, Any] = {
    "01_balance_is_gross": {
        "before_any_order": {
            "balance": 3000,
            "balance_dollars": "30.0000",
            "balance_breakdown": [
                {"exchange_index": 0, "balance": "30.0000"},
                {"exchange_index": 2, "balance": "30.0000"},
            ],
            "portfolio_value": 0,
            "updated_ts": 1788700000,
        },
        "resting_orders": [
            {
                "ticker": "KXHIGHNY-26OCT04-B65.5",
                "exchange_index": 0,
                "side": "yes",
                "price": "0.3300",
                "remaining": "50.00",
                "cost": "16.5000",
            },
            {
                "ticker": "KXHIGHNY-26OCT04-B65.5",
                "exchange_index": 0,
                "side": "no",
                "price": "0.2000",
                "remaining": "50.00",
                "cost": "10.0000",
            },
        ],
        "while_they_rest": {
            "balance": 3000,
            "balance_dollars": "30.0000",
            "balance_breakdown": [
                {"exchange_index": 0, "balance": "30.0000"},
                {"exchange_index": 2, "balance": "30.0000"},
            ],
            "portfolio_value": 0,
            "updated_ts": 1788700060,
        },
        "a_third_create": {
            "request": {
                "ticker": "KXHIGHNY-26OCT04-B63.5",
                "side": "bid",
                "price": "0.4500",
                "count": "10.00",
            },
            "needs": "4.5000",
            "answer_status": 400,
            "answer": {
                "error": {
                    "code": "insufficient_balance",
                    "message": "insufficient balance",
                    "service": "exchange",
                },
            },
        },
    },
    "02_credits_real_times": {
        "rows": [
            {
                "event": "KXAAAGASD-26JUL21",
                "end": "2026-07-21T03:59:00Z",
                "cents": [114, 101],
                "created_at": "2026-07-21T05:36:39Z",
                "hours_after_end": 1.63,
            },
            {
                "event": "KXAAAGASD-26JUL23",
                "end": "2026-07-23T03:59:00Z",
                "cents": [375, 175, 257, 202],
                "created_at": "2026-07-23T05:34:03Z",
                "hours_after_end": 1.58,
            },
            {
                "event": "KXAAAGASD-26JUL24",
                "end": "2026-07-24T03:59:00Z",
                "cents": [163, 291, 158, 269],
                "created_at": "2026-07-24T05:15:25Z",
                "hours_after_end": 1.27,
            },
            {
                "event": "KXAAAGASD-26JUL25",
                "end": "2026-07-25T03:59:00Z",
                "cents": [493, 180, 526],
                "created_at": "2026-07-25T05:48:44Z",
                "hours_after_end": 1.83,
            },
            {
                "event": "KXTEMPAUSH-26JUL2021",
                "end": "2026-07-21T01:00:00Z",
                "cents": [374, 229, 739, 133, 173],
                "created_at": "2026-07-21T06:50:27Z",
                "hours_after_end": 5.84,
            },
            {
                "event": "KXTEMPDCH-26JUL2123",
                "end": "2026-07-22T03:00:00Z",
                "cents": [247, 188],
                "created_at": "2026-07-22T06:29:17Z",
                "hours_after_end": 3.49,
            },
            {
                "event": "KXINXHUD-26JUL271600",
                "end": "2026-07-27T20:00:00Z",
                "cents": [1312],
                "created_at": "2026-07-28T05:26:53Z",
                "hours_after_end": 9.45,
            },
            {
                "event": "KXTEMPAUSH-26AUG0202",
                "end": "2026-08-02T06:00:00Z",
                "cents": [368],
                "created_at": "2026-08-03T06:14:00Z",
                "hours_after_end": 24.2,
            },
        ],
    },
    "03_deposit_with_fee": {
        "answer": {
            "deposits": [
                {
                    "amount_cents": 37800,
                    "created_ts": 1788700000,
                    "fee_cents": 756,
                    "finalized_ts": 1788700060,
                    "id": "00000000-0000-4000-8000-000000000001",
                    "status": "applied",
                    "type": "debit",
                },
            ],
            "cursor": "",
        },
    },
    "04_settlement_gross_sides": {
        "rows": [
            {
                "ticker": "KXDOGE15M-26SEP180015-15",
                "event_ticker": "KXDOGE15M-26SEP180015",
                "exchange_index": 2,
                "market_result": "no",
                "yes_count_fp": "33.63",
                "yes_total_cost_dollars": "3.699300",
                "no_count_fp": "33.63",
                "no_total_cost_dollars": "24.886200",
                "revenue": 0,
                "value": 0,
                "fee_cost": "0.683500",
                "settled_time": "2026-09-18T04:15:10.000000Z",
            },
            {
                "ticker": "KXWTI15M-26SEP171615-15",
                "event_ticker": "KXWTI15M-26SEP171615",
                "exchange_index": 0,
                "market_result": "yes",
                "yes_count_fp": "1.00",
                "yes_total_cost_dollars": "0.300000",
                "no_count_fp": "61.00",
                "no_total_cost_dollars": "50.000000",
                "revenue": 0,
                "value": 100,
                "fee_cost": "0.900000",
                "settled_time": "2026-09-17T20:15:10.000000Z",
            },
            {
                "ticker": "KXTEMPDCH-26JUL2021-T80.99",
                "event_ticker": "KXTEMPDCH-26JUL2021",
                "exchange_index": 0,
                "market_result": "yes",
                "yes_count_fp": "20.31",
                "yes_total_cost_dollars": "10.000000",
                "no_count_fp": "20.00",
                "no_total_cost_dollars": "9.000000",
                "revenue": 31,
                "value": 100,
                "fee_cost": "0.000000",
                "settled_time": "2026-07-21T01:30:00.000000Z",
            },
        ],
    },
    "05_settlement_scalar": {
        "rows": [
            {
                "ticker": "KXCLUBFBTTS-REDACTED",
                "event_ticker": "KXCLUBFBTTS",
                "exchange_index": 3,
                "market_result": "scalar",
                "yes_count_fp": "19.00",
                "yes_total_cost_dollars": "9.000000",
                "no_count_fp": "18.86",
                "no_total_cost_dollars": "9.000000",
                "revenue": 6,
                "value": 45,
                "fee_cost": "0.100000",
                "settled_time": "2026-09-20T12:00:00.000000Z",
            },
            {
                "ticker": "KXCRYPTOLEAD15M-26SEP230715-XRP",
                "event_ticker": "KXCRYPTOLEAD15M-26SEP230715",
                "exchange_index": 0,
                "market_result": "scalar",
                "yes_count_fp": "1.00",
                "yes_total_cost_dollars": "0.400000",
                "no_count_fp": "0.00",
                "no_total_cost_dollars": "0.000000",
                "revenue": 50,
                "value": 50,
                "fee_cost": "0.000000",
                "settled_time": "2026-09-23T11:15:10.000000Z",
            },
        ],
    },
    "06_settlements_without_exchange_index": {
        "row": {
            "event_ticker": "KXTRUMPSAY-REDACTED001",
            "fee_cost": "0.026900",
            "market_result": "no",
            "no_count_fp": "0.00",
            "no_total_cost_dollars": "0.000000",
            "revenue": 0,
            "settled_time": "2026-08-17T14:00:00Z",
            "ticker": "KXTRUMPSAY-REDACTED000",
            "value": 0,
            "yes_count_fp": "10.00",
            "yes_total_cost_dollars": "0.400000",
        },
    },
    "07_positions_without_exchange_index": {
        "answer": {
            "cursor": "",
            "event_positions": [
                {
                    "event_exposure_dollars": "2.500000",
                    "event_ticker": "KXWTACHALLENGERMATCH-26JUN11REDACT",
                    "fees_paid_dollars": "0.018900",
                    "realized_pnl_dollars": "0.000000",
                    "total_cost_dollars": "2.500000",
                    "total_cost_shares_fp": "3.00",
                },
            ],
            "market_positions": [
                {
                    "fees_paid_dollars": "0.018900",
                    "last_updated_ts": "2026-06-11T06:29:30.165032Z",
                    "market_exposure_dollars": "2.500000",
                    "position_fp": "3.00",
                    "realized_pnl_dollars": "0.000000",
                    "resting_orders_count": 0,
                    "ticker": "KXWTACHALLENGERMATCH-26JUN11REDACT-R",
                    "total_traded_dollars": "2.500000",
                },
            ],
        },
    },
    "08_answers_of_writes": {
        "create_201": {
            "client_order_id": "00000000-0000-4000-8000-000000000003",
            "fill_count": "0.00",
            "order_id": "00000000-0000-4000-8000-000000000004",
            "remaining_count": "1.00",
            "ts_ms": 1781159360866,
        },
        "create_filled_201": {
            "average_fee_paid": "0.0175",
            "average_fill_price": "0.5200",
            "client_order_id": "00000000-0000-4000-8000-000000000005",
            "fill_count": "1.00",
            "order_id": "00000000-0000-4000-8000-000000000006",
            "remaining_count": "0.00",
            "ts_ms": 1781159370164,
        },
        "create_self_cross_201": {
            "client_order_id": "00000000-0000-4000-8000-000000000007",
            "fill_count": "0.00",
            "order_id": "00000000-0000-4000-8000-000000000008",
            "remaining_count": "0.00",
            "ts_ms": 1781159381287,
        },
        "cancel_200": {
            "order_id": "00000000-0000-4000-8000-000000000004",
            "reduced_by": "1.00",
            "ts_ms": 1781159364112,
        },
        "amend_smaller_200": {
            "fill_count": "0.00",
            "order_id": "00000000-0000-4000-8000-000000000009",
            "remaining_count": "1.00",
            "ts_ms": 1787600000000,
        },
    },
    "09_error_bodies": {
        "401_no_signature_header": {
            "error": {
                "code": "signature_is_missing_from_headers",
                "message": "signature is missing from headers",
            },
        },
        "401_bad_signature": {
            "error": {
                "code": "authentication_error",
                "message": "authentication_error",
                "details": "INCORRECT_API_KEY_SIGNATURE",
            },
        },
        "401_unknown_key": {
            "error": {
                "code": "authentication_error",
                "message": "authentication_error",
                "details": "NOT_FOUND",
            },
        },
        "401_clock": {"error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}},
        "400_limit": {
            "msg": "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' "
            "Error:Field validation for 'Limit' failed on the 'lte' tag",
        },
        "400_types": {
            "code": "bad_request",
            "message": "bad request",
            "details": "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count "
            "of type string",
        },
        "400_price": {"error": {"code": "invalid_price", "message": "invalid price", "service": "exchange"}},
        "400_funds": {
            "error": {
                "code": "insufficient_balance",
                "message": "insufficient balance",
                "service": "exchange",
            },
        },
        "400_post_only": {
            "error": {"code": "invalid_order", "message": "invalid order", "details": "post only cross"},
        },
        "404_cancel": {"error": {"code": "not_found", "message": "not found", "service": "exchange"}},
        "409": {
            "error": {
                "code": "order_already_exists",
                "message": "order already exists",
                "service": "exchange",
            },
        },
        "403_resting_value": {"status": 403, "code": "permission_denied"},
    },
    "10_order_row_as_listed": {
        "row": {
            "action": "buy",
            "book_side": "bid",
            "client_order_id": "00000000-0000-4000-8000-000000000003",
            "created_time": "2026-06-11T06:29:20.866753Z",
            "fill_count_fp": "0.00",
            "initial_count_fp": "1.00",
            "last_update_time": "2026-06-11T06:29:20.866753Z",
            "maker_fees_dollars": "0.000000",
            "maker_fill_cost_dollars": "0.000000",
            "no_price_dollars": "0.9900",
            "order_id": "00000000-0000-4000-8000-000000000004",
            "outcome_side": "yes",
            "remaining_count_fp": "1.00",
            "self_trade_prevention_type": "taker_at_cross",
            "side": "yes",
            "status": "resting",
            "subaccount_number": 0,
            "taker_fees_dollars": "0.000000",
            "taker_fill_cost_dollars": "0.000000",
            "ticker": "KXWTACHALLENGERMATCH-26JUN11REDACT-R",
            "type": "limit",
            "user_id": "00000000-0000-4000-8000-000000000099",
            "yes_price_dollars": "0.0100",
        },
    },
}  # fmt: skip
"""By name, without words about them."""
