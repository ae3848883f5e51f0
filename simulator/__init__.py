"""An exchange to learn and test on: stateful, behind the HTTP API of the real one, with no money in it.

Two ways in: `embedded.start()` puts one inside a process, mounted under a `requests.Session` and with a clock of
its own; `python -m simulator` serves one on a loopback port at wall-clock speed, for any client. It shares no
code with the bot, so that each can catch the other's mistakes.
"""
