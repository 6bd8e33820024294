"""What a target is: a provider at which credentials can be revoked.

A target is a class with three methods: `plan`, `revoke` and `probe`. The revoker calls them in this order:

1. `plan` says in words what would be done. It asks nobody. Without `mode = "act"` nothing else is called.
2. `probe` looks the credential up: does the handle belong to it, and is it still alive? If it is dead already, the
   outcome is `gone-already`; if the handle belongs to something else, or names nothing, `refused`. If the look-up leads
   to something that the handle does not name, `found` says so: it begins again at 1, with that.
3. `revoke` carries out one step of the plan, on exactly what the command names now. The next step follows after its
   delay.
4. `probe` again, until the credential is dead or the plan's `within` has passed. Dead is `confirmed`; one that is
   still live is revoked again until the deadline, and then `failed`; what cannot be known is `done-unproved`. Where a
   later step has a delay, `probe` is called before it too, and the outcome so far is told.

Any of them may be called again after a crash, for a step that was carried out already. So `revoke` must harm nothing
when it is repeated.
"""

from typing import Annotated, ClassVar, Final, Literal, Protocol

import msgspec

from detector.revoke.revocation_command import RevocationCommand
from detector.values.errors import CurfewdError

State = Literal["live", "dead", "absent", "unknown"]
MOST_FOUND: Final = 32
LONGEST_FOUND: Final = 2048  # characters
_Text = Annotated[str, msgspec.Meta(max_length=LONGEST_FOUND)]


class RefusedError(CurfewdError):
    """The credential must not or cannot be revoked here, now or later: the outcome is `refused`.

    Examples: the handle belongs to another credential, or the object lacks a field. The text is for a person. It holds
    no secret.
    """


class GoneError(CurfewdError):
    """There is nothing to revoke.

    `known`: the provider knows the credential, and says that it is dead. Else it knows nothing of that name, which
    proves something only about a credential that was seen there before: see `Observation`.
    """

    known: bool = False

    def __init__(self, reason: str, *, known: bool = False) -> None:
        self.known = known
        super().__init__(reason)


class UnavailableError(CurfewdError):
    """The provider did not do it now: it is down, slow, throttles, or answers with garbage. Try again.

    `after`: seconds for which the provider asked to wait; None if it did not.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(reason)


class Step(msgspec.Struct, frozen=True):
    """One step of a plan, in `words` such as "disable the access key AKIA…".

    - `reversible`: a person can undo it.
    - `delay`: seconds to wait after the step before it.
    """

    words: str
    reversible: bool = False
    delay: float = 0.0


class Plan(msgspec.Struct, frozen=True):
    """What a target would do, and what it could say afterwards.

    - `proof`: how it proves that the credential is dead.
    - `within`: seconds after the last step within which the provider refuses the credential.
    - `unproved`: what it cannot prove, such as sessions that stay open; empty if there is nothing.
    - `forgets`: whether the provider may no longer know anything of what was revoked (`absent`). That it was seen there
      is then stored before anything is done, so that it counts after a crash too.
    """

    steps: tuple[Step, ...]
    proof: str
    within: float
    unproved: str = ""
    forgets: bool = True


class Observation(msgspec.Struct, frozen=True):
    """What a probe saw.

    - `state`: `live`; `dead`, if the provider knows it and refuses it; `absent`, if the provider knows nothing of
      that name; or `unknown`, if it cannot be asked about this credential. Never a guess. What is absent counts as
      dead only if it was seen there before: it may never have been there, or be called otherwise.
    - `how`: by what it is known, for a person: "GET /v1/auth/token/lookup-accessor answered 403".
    - `control`: whether a credential that must go on working does so: a provider that refuses everything proves
      nothing. None if none was tried. With False nothing counts as proved.
    - `found`: what the credential turned out to be: fields of the revocation object as they should be, such as the
      `role` that was found by its comment, and whose it is, by fields that the command need not have. The rails, the
      approvers and the plan are asked again if the command does not say so, and from then on the command has them.
      Names, no secrets.
    """

    state: State
    how: str
    control: bool | None = None
    found: Annotated[dict[_Text, _Text], msgspec.Meta(max_length=MOST_FOUND)] = {}


class Target(Protocol):
    """Where credentials of one provider are revoked.

    `name` is what the configuration calls it, as the `type` of a table `[revoke.targets.…]`. `Options` are the keys of
    that table: a frozen msgspec Struct, made from TOML with unknown keys refused. A target is made as `Class(options)`;
    files that its options name are read when they are needed, so that they can be rotated.
    """

    name: ClassVar[str]
    Options: ClassVar[type[msgspec.Struct]]

    @staticmethod
    def accepts(command: RevocationCommand) -> bool:
        """Whether a command is meant for this kind of target, by its revocation object and kind. It asks nobody."""

    def plan(self, command: RevocationCommand) -> Plan:
        """What it would do. It asks nobody.

        Raises:
            RefusedError: the command lacks what is needed, or names what this target must not touch.
        """

    async def revoke(self, command: RevocationCommand, step: int) -> str:
        """Carries out a step of the plan, and says in words what was done.

        Raises:
            RefusedError, GoneError, UnavailableError: it was not done.
        """

    async def probe(self, command: RevocationCommand) -> Observation:
        """Looks the credential up at the provider.

        Raises:
            RefusedError: what the handle names does not belong to this credential: owner, task or time differ.
            UnavailableError: the provider cannot be asked now.
        """

    async def close(self) -> None:
        """Closes connections."""
