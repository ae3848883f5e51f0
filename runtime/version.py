"""The version of the bot, in its one place. CHANGELOG.md says what each version brought.

Promise: it starts on Python 3.8, without any package.
"""

VERSION = "0.9.1"
