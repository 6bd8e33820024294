"""What `curfewd sources` and `curfewd sources explain` do: what is known or read, printed."""

from detector.adapters.catalog import CATALOG
from detector.configuration.settings import NO_KEY_WARNING, Settings
from detector.explain.document import catalog_document, document
from detector.explain.reading import explain
from detector.explain.table import print_catalog, print_explained
from detector.outputs.report_text import console_for
from detector.records.dead_letters import UNREADABLE
from detector.replay.replay_command import DEAD_LETTERS, DONE, Request, planned, seldom_collected
from detector.scan.scanner_loader import load_scanner
from detector.terminal.output import printing, put
from detector.terminal.progress import meter


def list_sources(*, document: bool) -> None:
    """Prints the sources."""
    with printing():
        if document:
            put(*catalog_document(CATALOG).splitlines())
        else:
            print_catalog(CATALOG, console_for())


def run_explain(inputs: Request, limit: int) -> tuple[int, tuple[str, ...]]:
    """Explains, prints the first `limit` records and the sums. Returns the exit code, and warnings.

    Raises:
        UsageError: the configuration or an input is wrong.
    """
    settings = Settings.load(inputs.config)
    scanner, passed_over = load_scanner(settings.patterns)
    plan, finders = planned(inputs, settings, scanner, warnings=passed_over)
    with meter() as bars, seldom_collected():
        made = explain(plan, bars, limit)
    with printing():
        if inputs.document:
            put(*document(made, finders.clean).splitlines())
        else:
            print_explained(made, finders.clean, console_for())
    # Nothing is scanned: without a key nothing is missed.
    warnings = tuple(finders.clean(one) for one in plan.warnings if one != NO_KEY_WARNING)
    unreadable = any(letter.reason == UNREADABLE for letter in made.letters)
    return DEAD_LETTERS if unreadable else DONE, warnings
