from typing import Any

import pytest

from detector.adapters.aws.sessions import SessionTask, session_task

KEY = "ASIAEXAMPLESESSION00"
USER = {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/ci"}
MADE_UP = "botocore-session-1777622400"


def role(name: str, **more: Any) -> dict[str, Any]:
    """A session as it stands as the caller of another."""
    return {"type": "AssumedRole", "principalId": f"AROAEXAMPLE:{name}", **more}


def web(subject: str) -> dict[str, Any]:
    return {"subjectFromWebIdentityToken": subject}


def work(name: str | None, caller: dict[str, Any] = USER, answer: Any = None, **asked: Any) -> SessionTask:
    asked = {"roleSessionName": name, **asked} if name is not None else asked
    record = {"userIdentity": caller, "requestParameters": asked, "responseElements": answer}
    return session_task(record, KEY)


def test_a_session_works_for_the_task_that_its_name_names() -> None:
    assert work("buildkite-job-17") == SessionTask("buildkite-job-17")
    assert work("github-job-71") == SessionTask("github/job/71")


@pytest.mark.parametrize(
    "name",
    [
        MADE_UP,
        "aws-go-sdk-1688990082523310002",
        "aws-sdk-java-1777622400000",
        "aws-sdk-js-session-1777622400000",
        "aws-cli-session-1777622400",
        "GitHubActions",
    ],
)
def test_a_name_that_an_sdk_made_up_says_nothing(name: str) -> None:
    assert work(name, role("job-1")) == SessionTask("job-1")
    assert work(name, sourceIdentity="job-2") == SessionTask("job-2")


def test_a_session_that_another_asked_for_has_a_task_below_it() -> None:
    assert work("deploy", role("job-1")) == SessionTask("deploy", "job-1")
    assert work("deploy", role("github-job-71")) == SessionTask("deploy", "github/job/71")
    assert work("job-1", role("job-1")) == SessionTask("job-1")


def test_a_callers_made_up_name_is_no_task_but_its_source_identity_is() -> None:
    assert work("deploy", role(MADE_UP)) == SessionTask("deploy")
    named = role(MADE_UP, sessionContext={"sourceIdentity": "job-3"})
    assert work("deploy", named) == SessionTask("deploy", "job-3")
    assert work(MADE_UP, named) == SessionTask("job-3")


def test_a_caller_in_another_account_is_told_by_its_principal_alone() -> None:
    there = {"type": "AWSAccount", "principalId": "AROAEXAMPLE:job-1", "accountId": "999988887777"}
    assert work("deploy", there) == SessionTask("deploy", "job-1")
    user = {"type": "AWSAccount", "principalId": "AIDAEXAMPLE", "accountId": "999988887777"}
    assert work("deploy", user) == SessionTask("deploy")


def test_who_is_no_session_has_no_task_to_hand_down() -> None:
    federated = {"type": "FederatedUser", "principalId": "111122223333:job-1"}
    assert work("deploy", federated) == SessionTask("deploy", "job-1")
    provider = {"type": "WebIdentityUser", "principalId": "arn:aws:iam::1:oidc-provider/x:aud:repo:octo/app"}
    assert work("deploy", provider) == SessionTask("deploy")
    assert work("deploy", {}) == SessionTask("deploy")


def test_a_subject_that_tells_the_run_is_more_than_any_name() -> None:
    told = web("repo:octo/app:run_id:5:run_attempt:2")
    assert work("GitHubActions", {}, told) == SessionTask("github/run/5/2")
    assert work("deploy", {}, told) == SessionTask("github/run/5/2")


def test_sessions_that_all_have_one_name_are_told_apart() -> None:
    told = web("repo:octo/app:ref:refs/heads/main")
    assert work("GitHubActions", {}, told) == SessionTask(f"repo:octo/app:ref:refs/heads/main/{KEY}")
    assert (
        work("GitHubActions", {}, told).task_id
        != session_task(
            {"requestParameters": {"roleSessionName": "GitHubActions"}, "responseElements": told}, "ASIAOTHER"
        ).task_id
    )


def test_a_pod_is_named_by_the_tags_that_eks_gives_its_session() -> None:
    tags = [
        {"key": "eks-cluster-name", "value": "blue"},
        {"key": "kubernetes-namespace", "value": "shop"},
        {"key": "kubernetes-pod-name", "value": "app1"},
        {"key": "kubernetes-pod-uid", "value": "u-1"},
    ]
    service = {"type": "AWSService", "invokedBy": "pods.eks.amazonaws.com"}
    name = "eks-blue-app1-b81f0fef-97e9-47da-97a2-948c5bbcd1b3"
    assert work(name, service, tags=tags) == SessionTask("k8s/shop/app1/u-1")
    for wrong in (
        [],
        [*tags[:2]],
        [7, {"key": []}, {"value": "x"}],
        {"kubernetes-namespace": "shop"},
        "tags",
    ):
        assert work(name, service, tags=wrong) == SessionTask(name)


def test_a_session_without_any_name_is_its_callers() -> None:
    assert work(None) == SessionTask(str(USER["arn"]))
    assert work(None, {}) == SessionTask(KEY)
    assert work(MADE_UP) == SessionTask(MADE_UP)
