"""The exchange's HTTP surface, in the words of its Trade API v2.

Promise: a client cannot tell from an answer's form that no real exchange stands behind it. `wire` is what comes
in and goes out, `service` lets requests in and finds who answers them: `market_data` for everybody, `portfolio`
for the customer who asks, `order_calls` for their orders. `listing_forms` and `account_forms` are the objects
answered.
"""
