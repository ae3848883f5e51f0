"""The simulated exchange's HTTP API, in the format of the real Trade API v2.

Promise:
- A client cannot tell from an answer's form that the exchange is simulated.

`wire` parses requests and encodes answers. `service` authenticates a request and finds its call. `market_data` has
the public calls, `portfolio` those about the customer's account, `order_calls` those about the customer's orders.
`listing_forms` and `account_forms` build the JSON objects of the answers.
"""
