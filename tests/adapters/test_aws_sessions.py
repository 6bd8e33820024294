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


def whole(name: str | None, caller: dict[str, Any] = USER, answer: Any = None, **asked: Any) -> SessionTask:
    asked = {"roleSessionName": name, **asked} if name is not None else asked
    record = {"userIdentity": caller, "requestParameters": asked, "responseElements": answer}
    return session_task(record, KEY)


def work(name: str | None, caller: dict[str, Any] = USER, answer: Any = None, **asked: Any) -> SessionTask:
    """Without the reason, which has tests of its own."""
    return whole(name, caller, answer, **asked)._replace(unjoined=None)


def of_group(group: str) -> SessionTask:
    return SessionTask(None, group=group)


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


def test_a_session_that_a_ci_job_asked_for_stays_with_the_job() -> None:
    """Whatever its own name is: nothing reports a task of that name, and nothing would ever end it."""
    for name in ("deploy", MADE_UP, "GitHubActions", "aws-sdk-js-session-1777622400000"):
        assert work(name, role("github-job-71")) == SessionTask("github/job/71")
        assert work(name, role("gitlab-job-9")) == SessionTask("gitlab/job/9")
        assert work(name, role(MADE_UP, sessionContext={"sourceIdentity": "github-run-5-2"})) == SessionTask(
            "github/run/5/2"
        )
    assert work("github-job-72", role("github-job-71")) == SessionTask("github/job/72", "github/job/71")


@pytest.mark.parametrize("name", ["GitHubActions", MADE_UP, "MySessionName", "GitHubActions-app-17", None])
@pytest.mark.parametrize(
    ("subject", "group"),
    [
        ("repo:octo/app:ref:refs/heads/main", "github:octo/app"),
        ("repo:Octo/App:environment:prod", "github:octo/app"),
        ("repo:octo/app:pull_request", "github:octo/app"),
        ("repo:octo@1234/app@567:ref:refs/heads/main", "github:octo/app"),
        ("project_path:acme/shop/web:ref_type:branch:ref:main", "gitlab:acme/shop/web"),
        ("organization:acme:pipeline:web:ref:refs/heads/main:commit:9f2c:step:build", "buildkite:acme/web"),
        ("system:serviceaccount:ci:runner", "kubernetes:ci/runner"),
    ],
)
def test_a_session_without_a_jobs_name_belongs_to_the_group_that_the_subject_names(
    name: str | None, subject: str, group: str
) -> None:
    assert work(name, {"type": "WebIdentityUser"}, web(subject)) == of_group(group)
    named = work("github-job-71", {"type": "WebIdentityUser"}, web(subject))
    assert named == SessionTask("github/job/71", group=group if group.startswith("github:") else None)


def test_a_source_identity_from_the_token_names_the_job_too() -> None:
    answer = {**web("repo:octo/app:ref:refs/heads/main"), "sourceIdentity": "github-job-71"}
    assert work("GitHubActions", {}, answer) == SessionTask("github/job/71", group="github:octo/app")


def test_a_chained_session_belongs_to_the_group_that_its_tags_name() -> None:
    tags = [{"key": "GitHub", "value": "Actions"}, {"key": "Repository", "value": "octo/App"}]
    assert work("GitHubActions", role("GitHubActions"), tags=tags) == of_group("github:octo/app")
    passed = {"GitHub": "Actions", "Repository": "octo/app"}
    assert work(MADE_UP, role("GitHubActions"), incomingTransitiveTags=passed) == of_group("github:octo/app")
    assert work(MADE_UP, role("github-job-71"), tags=tags) == SessionTask("github/job/71")
    for wrong in ([tags[0]], [tags[1]], [tags[0], {"key": "Repository", "value": "app"}]):
        assert work("GitHubActions", role("GitHubActions"), tags=wrong).group is None


def test_a_subject_that_names_nothing_leaves_sessions_apart() -> None:
    """A Google account's number, for example."""
    told = web("104928374651029384756")
    assert work("GitHubActions", {}, told) == SessionTask(f"104928374651029384756/{KEY}")
    other = {"requestParameters": {"roleSessionName": "GitHubActions"}, "responseElements": told}
    assert session_task(other, "ASIAOTHER").task_id == "104928374651029384756/ASIAOTHER"


SET_IN_GITHUB = "set `role-session-name: github-job-${{ job.check_run_id }}`"
DEPLOY = "arn:aws:iam::111122223333:role/teams/deploy"


@pytest.mark.parametrize(
    ("name", "caller", "answer", "says"),
    [
        (
            "GitHubActions",
            {"type": "WebIdentityUser"},
            web("repo:octo/app:ref:refs/heads/main"),
            f"role `deploy`: session name `GitHubActions` names no job; {SET_IN_GITHUB}",
        ),
        (
            "run-1777622400",
            {"type": "WebIdentityUser"},
            web("repo:octo/app:ref:refs/heads/main"),
            f"role `deploy`: session name names no job; {SET_IN_GITHUB}",
        ),
        (
            MADE_UP,
            {"type": "WebIdentityUser"},
            web("project_path:acme/app:ref_type:branch:ref:main"),
            'role `deploy`: session name names no job; set `--role-session-name "gitlab-job-$CI_JOB_ID"`',
        ),
        (
            MADE_UP,
            {"type": "WebIdentityUser"},
            web("system:serviceaccount:ci:runner"),
            "role `deploy`: session name names no job; use EKS Pod Identity, whose session tags name the pod",
        ),
        (
            "i-0abc1234567890def",
            {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
            None,
            "session for the service `ec2.amazonaws.com`, which names no job",
        ),
        (
            "mona@example.com",
            {"type": "SAMLUser"},
            None,
            "role `deploy`: session of somebody who signed in by SAML, which names no job",
        ),
        (
            "GitHubActions",
            role("GitHubActions"),
            None,
            f"role `deploy`: session name `GitHubActions` names no job; {SET_IN_GITHUB}",
        ),
        (
            "nightly-17",
            USER,
            None,
            "role `deploy`: session name names no job; set a role session name that is the id of a task in your events",
        ),
    ],
)
def test_why_a_session_names_no_job_is_said_without_ids(
    name: str, caller: dict[str, Any], answer: Any, says: str
) -> None:
    assert whole(name, caller, answer, roleArn=DEPLOY).unjoined == says


def test_a_session_that_names_its_job_says_nothing() -> None:
    assert whole("github-job-71", roleArn=DEPLOY).unjoined is None
    assert whole("deploy", role("github-job-71"), roleArn=DEPLOY).unjoined is None


def test_a_users_session_says_what_to_do() -> None:
    assert whole(None).unjoined == "session of a user, which names no job; give jobs sessions of a role"


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


def test_the_tags_of_a_pod_are_passed_down_a_chain() -> None:
    passed = {"kubernetes-namespace": "shop", "kubernetes-pod-name": "app1", "kubernetes-pod-uid": "u-1"}
    assert work("reports", role("eks-blue-1"), incomingTransitiveTags=passed) == SessionTask(
        "k8s/shop/app1/u-1"
    )


def test_a_session_without_any_name_is_its_callers() -> None:
    assert work(None) == SessionTask(str(USER["arn"]))
    assert work(None, {}) == SessionTask(KEY)
    assert work(MADE_UP) == SessionTask(MADE_UP)
