"""`curfewd topics create`: what was made, what was there, and what is wrong with it."""

import asyncio
import logging

from detector.configuration.kafka_settings import LiveSettings
from detector.kafka.topics import Outcome, create_topics


def topics_create(settings: LiveSettings) -> Outcome:
    """Creates the missing topics; raises as `detector.kafka.topics.create_topics` does.

    What aiokafka logs meanwhile says less than the error that is raised, and would stand beside it.
    """
    log = logging.getLogger("aiokafka")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    return asyncio.run(create_topics(settings))


def report(outcome: Outcome) -> str:
    """A line for each topic."""
    created = [f"{name}: created" for name in outcome.created]
    wrong = {difference.topic for difference in outcome.differences}
    existing = [
        f"{name}: there already{', with other settings' if name in wrong else ''}"
        for name in outcome.existing
    ]
    return "\n".join([*created, *existing])
