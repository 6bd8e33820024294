"""The report of a replay as one HTML page that loads nothing and runs no script but its own.

The page's own script and style are allowed by their hashes alone. What was read is in it as compressed JSON in base64,
which no text in it can end; the script shows it as text. The same findings give the same bytes.
"""

import base64
import zlib
from html import escape
from typing import Final

from detector import __version__
from detector.outputs.headline import headline
from detector.outputs.report import Report
from detector.outputs.report_data import MAX_FINDINGS, Budget, page_data, page_records_of
from detector.outputs.writers import Target, dumps, write_file
from detector.pages import (
    COMPONENT_SCRIPTS,
    COMPONENT_STYLES,
    content_security_policy,
    document,
    joined,
)

MAX_BYTES: Final = 2_000_000  # of a page that a browser opens at once and a mail takes
# A page too large is made again with less in it: evidence first, then findings that are less severe.
_BUDGETS: Final = (
    *(Budget(MAX_FINDINGS, pieces) for pieces in (20, 5, 2, 1)),
    *(Budget(findings, 1) for findings in (5_000, 2_000, 1_000, 300, 100, 20)),
)


def report_page(report: Report, most: int = MAX_BYTES) -> bytes:
    """The page, of at most `most` bytes."""
    records = page_records_of(report)
    sentence, page = headline(report.findings, report.summary.gaps), b""
    for budget in _BUDGETS:
        packed = zlib.compress(dumps(page_data(report, records, budget)), 9)
        page = _page(sentence, base64.b64encode(packed).decode())
        if len(page) <= most:
            break
    return page


def _page(sentence: str, data: str) -> bytes:
    script = joined((*COMPONENT_SCRIPTS, "report.js"))
    style = joined((*COMPONENT_STYLES, "report.css"))
    body = (
        '<a class="skip" href="#findings">Skip to the findings</a>\n'
        f'<header>\n<p class="product">curfewd report</p>\n<h1>{escape(sentence)}</h1>\n</header>\n'
        '<main id="report" aria-busy="true">\n'
        "<noscript><p>The rest of the report is shown by the script in this page, which reads nothing but the page. "
        "Without scripts, findings.jsonl has everything.</p></noscript>\n</main>\n"
        f"<footer><p>Made by curfewd {__version__}. Secrets are masked as ‹rule:length›; all times are UTC.</p></footer>\n"
        f'<script type="text/plain" id="report-data">{data}</script>'
    )
    return document(
        title=f"curfewd: {sentence}",
        script=script,
        style=style,
        body=body,
        policy=content_security_policy(
            script,
            style,
            require_trusted_types_for="'script'",  # no text can become markup, whoever forgets what
            trusted_types="'none'",
        ),
    )


def write_report(path: Target, report: Report) -> None:
    """Writes the page; it appears whole or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    write_file(path, report_page(report))
