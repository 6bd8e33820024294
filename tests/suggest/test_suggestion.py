"""What is suggested for whom, and what is not: by small histories that a person can follow."""

import pytest

from detector.suggest.arguments import BY
from detector.suggest.history import History, Window
from detector.suggest.networks import Networks
from detector.suggest.suggestion import Suggestion, UnusedGrant
from detector.values.errors import UsageError
from detector.values.events import DENIED, CredentialUsed, Grant, Lifecycle, TaskStarted
from detector.values.times import DAY, HOUR, MINUTE, SECOND
from tests.suggest.made_history import START, history, issued, jobs, suggested, task, use


def one(made: list[Suggestion]) -> Suggestion:
    (only,) = made
    return only


def resources(*uses: CredentialUsed, tasks: int = 3) -> list[str | None]:
    return [each.resource for each in one(suggested(jobs(9), uses, tasks)).covered]


def test_a_segment_that_varies_from_task_to_task_becomes_a_star() -> None:
    uses = [use(f"c{job}", job, "read", f"store/run-{job}/log.txt") for job in range(3)]
    made = one(suggested(jobs(3), uses))
    assert made.grants == (Grant(("read",), ("store/run-*/log.txt",)),)
    (covered,) = made.covered
    assert (covered.basis, covered.count.uses, covered.count.tasks) == ("tasks", 3, 3)
    assert resources(*uses[:2]) == ["store/run-0/log.txt", "store/run-1/log.txt"]


def test_a_thousand_files_of_one_task_show_nothing() -> None:
    assert len(resources(*(use("c0", n, "read", f"store/{n}") for n in range(200)))) == 200


def test_the_same_files_of_all_tasks_stay_as_they_are() -> None:
    uses = [
        use(f"c{job}", f"{job}/{name}", "read", f"store/{name}")
        for job in range(9)
        for name in ("a", "b", "c")
    ]
    assert resources(*uses) == ["store/a", "store/b", "store/c"]


def test_what_all_tasks_share_beside_their_own_changes_nothing() -> None:
    uses = [
        use(f"c{job}", f"{job}/{name}", "read", f"store/{name}/x")
        for job in range(3)
        for name in ("latest", f"run-{job}")
    ]
    assert resources(*uses) == ["store/*/x"]


def test_the_days_of_a_week_vary_though_many_tasks_share_each() -> None:
    uses = [use(f"c{job}", job, "write", f"logs/2026-05-0{job % 3 + 1}/all") for job in range(9)]
    assert resources(*uses) == ["logs/*/all"]


def test_two_segments_may_vary_together() -> None:
    uses = [use(f"c{job}", job, "write", f"logs/2026-05-0{job + 1}/job-{job}/out.txt") for job in range(4)]
    assert resources(*uses) == ["logs/*/job-*/out.txt"]


@pytest.mark.parametrize(
    "resource",
    [
        "bucket-{}",
        "bucket-{}/x",
        "arn:aws:s3:::bucket-{}/key",
        "arn:aws:sqs:eu-west-1:1:queue-{}",
        "arn:aws:s3:eu-west-{}::b/x",
        "https://host-{}/x",
    ],
)
def test_what_says_what_a_resource_is_never_varies(resource: str) -> None:
    uses = [use(f"c{job}", job, "read", resource.format(job)) for job in range(9)]
    assert len(resources(*uses)) == 9


def test_verbs_are_never_put_together() -> None:
    uses = [use(f"c{job}", job, f"do-{job}", "store/x") for job in range(9)]
    assert one(suggested(jobs(9), uses)).grants == (
        Grant(tuple(f"do-{job}" for job in range(9)), ("store/x",)),
    )


def test_actions_share_a_grant_only_for_the_same_resources() -> None:
    uses = [
        use("c0", 1, "read", "s/a"),
        use("c0", 2, "write", "s/a"),
        use("c0", 3, "read", "s/b"),
        use("c0", 4, "ping", None),
    ]
    assert one(suggested(jobs(1), uses)).grants == (
        Grant(("ping",), ()),
        Grant(("read",), ("s/a", "s/b")),
        Grant(("write",), ("s/a",)),
    )


def test_denied_uses_are_shown_and_not_granted() -> None:
    made = one(suggested(jobs(1), [use("c0", 1, "drop", "s/a", outcome=DENIED), use("c0", 2, "read", "s/a")]))
    assert [(each.why, each.action, each.count.uses) for each in made.refused] == [("denied", "drop", 1)]
    assert [grant.actions for grant in made.grants] == [("read",)]


def test_what_a_thief_did_is_not_granted_unless_asked_for() -> None:
    uses = [use("c0", 1, "read", "s/a"), use("c0", 2, "dump", "s/all", time=START + 90 * MINUTE)]
    made = one(suggested(jobs(1), uses))
    assert [(each.why, each.action) for each in made.refused] == [("use-after-termination", "dump")]
    assert [grant.actions for grant in made.grants] == [("read",)]
    window = Window(0, include=frozenset({"use-after-termination"}))
    assert [grant.actions for grant in one(suggested(jobs(1), uses, window=window)).grants] == [
        ("dump",),
        ("read",),
    ]


def test_an_action_with_a_star_in_its_name_is_left_out() -> None:
    made = one(suggested(jobs(1), [use("c0", 1, "s3:*", "s/a"), use("c0", 2, "x" * 10_000, "s/a")]))
    assert made.grants == ()
    assert [(each.why, len(each.action or "")) for each in made.refused] == [
        ("action of more than 256 characters", 256),
        ("action with * or ?", 4),
    ]


def test_kinds_of_tasks_and_credentials_are_told_apart() -> None:
    lifecycle = [*jobs(1), *task("t", kind="test"), issued("c8", "t"), issued("c9", "t", kind="other")]
    uses = [use(name, name, "read", "s/a") for name in ("c0", "c8", "c9")]
    names = [(made.kind.task.name, made.kind.credential) for made in suggested(lifecycle, uses)]
    assert names == [("build", "token"), ("test", "other"), ("test", "token")]


def test_an_unknown_kind_is_told_by_workload_then_owner() -> None:
    lifecycle: list[Lifecycle] = [
        *task("a", kind=None, workload="runner", owner="ann"),
        *task("b", kind=None, owner="ann"),
        *task("c", kind=None),
        *(issued(f"of-{name}", name) for name in ("a", "b", "c", "never-started")),
    ]
    kinds = [made.kind.task for made in suggested(lifecycle, [])]
    assert kinds == [("owner", "ann"), ("unknown", "unknown"), ("workload", "runner")]
    by_owner = suggested(lifecycle, [], window=Window(0, by=BY[3]))
    assert [made.kind.task for made in by_owner] == [("owner", "ann"), ("unknown", "unknown")]


def test_a_credential_of_one_of_several_candidates_has_their_kind() -> None:
    starts: list[Lifecycle] = [
        TaskStarted(time=START, source="ci", id=name, task_id=name, kind="deploy", group="acme/shop")
        for name in ("a", "b")
    ]
    lifecycle = [
        *starts,
        issued("c0", None, task_group="acme/shop"),
        issued("c1", None, task_group="acme/none"),
    ]
    made = suggested(lifecycle, [use("c0", 1, "read", "s/a")])
    assert [each.kind.task for each in made] == [("group", "acme/none"), ("kind", "deploy")]


def test_grants_and_parts_of_them_that_nobody_used() -> None:
    grants = (
        Grant(("read", "drop"), ("s/*",)),
        Grant(("purge",), ("s/*",)),
        Grant(("read",), ("s/a", "t/a")),
        Grant(None, ("s/a",)),
        Grant((), None),
    )
    made = one(suggested(jobs(2, grants=grants), [use("c0", 1, "read", "s/a")]))
    assert made.unused == (
        UnusedGrant(Grant((), None), 2, whole=True, actions=(), resources=()),
        UnusedGrant(Grant(("purge",), ("s/*",)), 2, whole=True, actions=("purge",), resources=("s/*",)),
        UnusedGrant(Grant(("read",), ("s/a", "t/a")), 2, whole=False, actions=(), resources=("t/a",)),
        UnusedGrant(Grant(("read", "drop"), ("s/*",)), 2, whole=False, actions=("drop",), resources=()),
    )


def test_how_long_tasks_last_and_credentials_live() -> None:
    lifecycle: list[Lifecycle] = []
    for number in range(1, 101):
        name = f"t{number}"
        lifecycle += [
            *task(name, length=number * SECOND),
            issued(f"c{number}", name, expires_at=START + HOUR),
        ]
    lifecycle += [
        *task("open"),
        issued("eternal", "open", expires_at=None),
        issued("far", "open", expires_at=START + 7000 * 365 * DAY),
    ]
    made = one(suggested(lifecycle, []))
    assert (made.lasted.n, made.lasted.p50, made.lasted.p99, made.lasted.longest) == (
        101,
        51.0,
        100.0,
        3600.0,
    )
    assert (made.lived.n, made.lived.p50, made.lived.longest) == (101, 3600.0, 7000 * 365 * 86400.0)
    assert made.undying == 1
    assert (made.outlived.n, made.outlived.p50) == (101, 3550.0)


def test_networks_are_24_or_48_bits_and_services_are_none() -> None:
    addresses = ["10.1.2.3", "10.1.2.250", "::ffff:10.1.2.9", "2001:db8:1:2::3", "ec2.amazonaws.com"]
    made = one(
        suggested(jobs(1), [use("c0", n, "read", "s/a", source_ip=each) for n, each in enumerate(addresses)])
    )
    assert [(each.network, each.count.uses) for each in made.networks] == [
        ("10.1.2.0/24", 3),
        ("2001:db8:1::/48", 1),
    ]
    assert made.services.uses == 1


def test_a_use_from_elsewhere_is_not_granted_and_its_network_is_shown() -> None:
    uses = [
        use("c0", 1, "read", "s/a", source_ip="10.1.2.3"),
        use("c0", 2, "dump", "s/a", source_ip="203.0.113.9", time=START + HOUR),
    ]
    made = one(suggested(jobs(1), uses[::-1]))
    assert [grant.actions for grant in made.grants] == [("read",)]
    assert [(each.why, each.action) for each in made.refused] == [("use-from-elsewhere", "dump")]
    assert [each.network for each in made.networks] == ["10.1.2.0/24", "203.0.113.0/24"]


def test_too_many_networks_become_wider_ones_in_any_order() -> None:
    addresses = [(f"10.{number}.{part}.1", number) for number in range(9) for part in range(9)]
    for order in (addresses, addresses[::-1]):
        networks = Networks(most=20)
        for address, task_number in order:
            networks.add(address, task_number, 1)
        networks.add("2001:db8::1", 1, 5)
        listed = [(cidr, found.uses, len(found.tasks)) for cidr, found in networks.listed()]
        assert listed == [*((f"10.{number}.0.0/16", 9, 1) for number in range(9)), ("2001:db8::/32", 5, 1)]


def test_uses_before_the_days_that_count_are_left_out() -> None:
    made = history(
        jobs(1),
        [[use("c0", 1, "read", "s/a"), use("c0", 2, "old", "s/a", time=START - DAY)]],
        Window(START - HOUR),
    )
    assert made.early == 1
    assert [action.name for kind in made.kinds.values() for action in kind.done.actions] == ["read"]


def test_uses_of_unknown_credentials_are_counted_by_source() -> None:
    made = history(jobs(1), [[use("stranger", 1, "read", "s/a"), use("stranger", 1, "read", "s/a")]])
    assert made.unknown == {"audit": 1}


def test_few_tasks_are_not_enough() -> None:
    uses = [use(f"c{job}", job, "read", "s/a") for job in range(3)]
    assert [one(suggested(jobs(3), uses[:count])).enough for count in (1, 2, 3)] == [False, False, True]


# Hostile


def test_a_name_of_ten_megabytes_is_cut_to_its_beginning() -> None:
    made = resources(use("c0", 1, "read", "s/" + "x" * 10_000_000), use("c0", 2, "read", "s/x"))
    assert sorted(len(each or "") for each in made) == [3, 2049]


def test_tens_of_thousands_of_resources_in_one_folder_become_one() -> None:
    found = history(
        jobs(1),
        (
            [use("c0", n, "read", f"s/{n}.txt") for n in range(first, first + 5000)]
            for first in range(0, 40_000, 5000)
        ),
    )
    (kind,) = found.kinds.values()
    assert sum(map(len, next(iter(kind.done.actions.values())).shapes.values())) <= 5000
    (covered,) = [each for made in [one(_made(found))] for each in made.covered]
    assert (covered.resource, covered.basis, covered.count.uses) == ("s/*.txt", "number", 40_000)


def _made(found: History) -> list[Suggestion]:
    from detector.suggest.suggestion import suggestions  # noqa: PLC0415 - beside its use

    return suggestions(found, 3)


def test_too_many_actions_and_kinds_say_what_to_do() -> None:
    with pytest.raises(UsageError, match="--by group"):
        suggested(jobs(1), [use("c0", n, f"do-{n}", None) for n in range(5000)])
    lifecycle = [
        event for n in range(2100) for event in (*task(f"t{n}", kind=f"k{n}"), issued(f"c{n}", f"t{n}"))
    ]
    with pytest.raises(UsageError, match="--kind GLOB"):
        suggested(lifecycle, [])


@pytest.mark.parametrize("resource", ["a*b", "a?b", "a\nb", "", "*", "\u202ex", "\x00"], ids=ascii)
def test_a_strange_name_is_covered_and_hardly_more(resource: str) -> None:
    (glob,) = resources(use("c0", 1, "read", f"s/{resource}"))
    assert glob is not None
    assert "*" not in glob
    assert len(glob) == len(resource) + 2
