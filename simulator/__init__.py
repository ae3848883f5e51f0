"""A simulated exchange to learn and test on: stateful, without real money.

It answers the HTTP API of the real exchange. There are two ways to use it:

- `embedded.start()` runs one inside a process, behind a `requests.Session` and with its own clock.
- `python -m simulator` serves one on a loopback port, in real time, for any client.

It shares no code with the bot, so that each can catch the other's mistakes.
"""
