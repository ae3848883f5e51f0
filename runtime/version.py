"""The bot's version; CHANGELOG.md describes each one.

Promise:
- The module imports on Python 3.8 without any package.
"""

VERSION = "0.11.0"
