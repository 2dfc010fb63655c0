"""An error is one sentence on the page, never a dead page."""

from __future__ import annotations

import functools
import logging

from LesionKitLib.run.background import user_sentence
from LesionKitLib.run.errors import Cancelled, MissingResource, UnusableInput

log = logging.getLogger(__name__)


def told(call):
    """A method of a tab, whose errors are shown by its session: ``self.session.say(sentence)``."""

    @functools.wraps(call)
    def guarded(self, *arguments, **named):
        try:
            return call(self, *arguments, **named)
        except Cancelled:
            self.session.say("Cancelled.")
        except Exception as error:
            if not isinstance(error, (UnusableInput, MissingResource, ValueError)):
                log.exception("A command of the page failed.")
            self.session.say(user_sentence(error))

    return guarded
