"""Judges uses and leaks once no more lifecycle events can come: each is judged, added up and forgotten."""

from collections.abc import Sequence

from detector.judge.acceptance import Subject, accepted_until, covering, subject_of
from detector.judge.accounts import Account, Name, leak_tie, owners_of
from detector.judge.evidence import EvidenceEntry, FinalTally, Tally
from detector.judge.incremental_evaluator import IncrementalEvaluator, cover
from detector.judge.policy import Accept, Policy
from detector.judge.rules.apply import Verdict, judge_leak, judge_secret, judge_use
from detector.judge.rules.catalog import RULES
from detector.values.events import CredentialUsed, Leak
from detector.values.findings import LEAKED_SECRET


class FinalEvaluator:
    """Goes on where an incremental evaluator stopped."""

    def __init__(self, evaluator: IncrementalEvaluator) -> None:
        self._policy: Policy = evaluator.policy
        self._accepts: Sequence[Accept] = evaluator.policy.accepting_globs
        self._foreign = evaluator.foreign
        self._secrets = evaluator.secrets

    def finalize(self, account: Account) -> None:
        """Adds up what was judged of a credential so far."""
        account.uses = account.leaks = None
        for rule in RULES.of_uses_and_leaks:
            tally = account.tallies.get(rule) if account.tallies is not None else None
            if isinstance(tally, Tally) and account.tallies is not None:
                account.tallies[rule] = tally.final(self._accepted_until(subject_of(rule, account)))

    def finalize_secrets(self) -> None:
        """Adds up what was judged so far of the leaked secrets that nobody registered."""
        for fingerprint, tally in self._secrets.items():
            if isinstance(tally, Tally):
                until = self._accepted_until(Subject(LEAKED_SECRET, fingerprint, fingerprint=fingerprint))
                self._secrets[fingerprint] = tally.final(until)

    def judge_use(self, account: Account, use: CredentialUsed) -> None:
        """Judges a use of a known credential."""
        verdicts = self.verdicts(account, use)
        if account.terms is not None and account.terms.scope is not None:
            cover(account, account.terms, use)
        for verdict in verdicts:
            self._add(account, verdict, "", use)

    def verdicts(self, account: Account, use: CredentialUsed) -> tuple[Verdict, ...]:
        """The verdicts on a use of a known credential, which are not added up."""
        terms = account.terms
        if terms is None:
            terms = account.standing()
        claimed = use.task_id
        foreign = claimed is not None and claimed != terms.task_id and self._foreign(account, claimed)
        origins = terms.origins
        if origins is not None and use.source_ip != origins.home:
            origins.note(use, terms.policy.networks)
        return judge_use(terms, use, foreign=foreign)

    def judge_leak(self, names: tuple[Name, ...], leak: Leak) -> None:
        """Judges a leak, given the names that its identifiers are."""
        owners = owners_of(names)
        tie = leak_tie(leak)
        for account in owners:
            for verdict in judge_leak(account.standing(), leak):
                self._add(account, verdict, tie, leak)
        if owners:
            return
        for verdict in judge_secret(self._policy, leak):
            tally = self._secrets.get(leak.fingerprint)
            if not isinstance(tally, FinalTally):
                until = self._accepted_until(
                    Subject(LEAKED_SECRET, leak.fingerprint, fingerprint=leak.fingerprint)
                )
                tally = self._secrets[leak.fingerprint] = FinalTally(until)
            tally.add(
                EvidenceEntry(leak.time, leak.source, leak.id, tie, verdict.severity, verdict.request, leak)
            )

    def _add(self, account: Account, verdict: Verdict, tie: str, event: CredentialUsed | Leak) -> None:
        if account.tallies is None:
            account.tallies = {}
        tally = account.tallies.get(verdict.rule)
        if not isinstance(tally, FinalTally):
            until = self._accepted_until(subject_of(verdict.rule, account))
            tally = account.tallies[verdict.rule] = FinalTally(until)
        tally.add(
            EvidenceEntry(event.time, event.source, event.id, tie, verdict.severity, verdict.request, event)
        )

    def _accepted_until(self, subject: Subject) -> int:
        return accepted_until(covering(self._accepts, subject))
