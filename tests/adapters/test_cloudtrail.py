import copy
import json
from typing import Any

import pytest

from detector.adapters.aws.cloudtrail import known, looks_like, translate
from detector.ingest.classify import BUNDLED
from detector.values.errors import BadRecordError
from detector.values.events import (
    DENIED,
    SUCCESS,
    CredentialIssued,
    CredentialRevoked,
    CredentialUsed,
    Grant,
    Identifier,
    IssuedTo,
    TaskStarted,
)
from detector.values.secrets import Secret, sha256_hex
from detector.values.times import HOUR, MINUTE, parse_rfc3339

NOW = parse_rfc3339("2026-05-02T00:00:00Z")
AT = parse_rfc3339("2026-05-01T08:00:00Z")
CALLER = "AKIAEXAMPLECALLER000"
SESSION = "ASIAEXAMPLESESSION00"
ASSUME_ROLE: dict[str, Any] = {
    "eventVersion": "1.09",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ci", "accessKeyId": CALLER},
    "eventTime": "2026-05-01T08:00:00Z",
    "eventSource": "sts.amazonaws.com",
    "eventName": "AssumeRole",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "aws-cli/2",
    "requestParameters": {
        "roleArn": "arn:aws:iam::111122223333:role/deploy",
        "roleSessionName": "buildkite-job-17",
        "durationSeconds": 900,
    },
    "responseElements": {
        "credentials": {
            "accessKeyId": SESSION,
            "sessionToken": "",
            "expiration": "May 1, 2026, 8:15:00 AM",
        },
        "assumedRoleUser": {"assumedRoleId": "AROAEXAMPLE:buildkite-job-17"},
    },
    "resources": [{"type": "AWS::IAM::Role", "ARN": "arn:aws:iam::111122223333:role/deploy"}],
    "eventID": "e-1",
    "recipientAccountId": "111122223333",
}
USE: dict[str, Any] = {
    "eventVersion": "1.09",
    "userIdentity": {"type": "AssumedRole", "accessKeyId": SESSION, "accountId": "111122223333"},
    "eventTime": "2026-05-01T08:05:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "sourceIPAddress": "config.amazonaws.com",
    "resources": [{"type": "x"}, {"ARN": "arn:aws:s3:::bucket/key"}],
    "eventID": "e-2",
}


def changed(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(record)
    *way, last = path.split(".")
    place = result
    for name in way:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


def test_assuming_a_role_uses_the_callers_key_and_issues_a_session() -> None:
    assert looks_like(ASSUME_ROLE)
    use, issue = translate(ASSUME_ROLE, NOW)
    assert use == CredentialUsed(
        time=AT,
        source="aws.cloudtrail/111122223333",
        id="e-1",
        identifier=Identifier("aws-access-key-id", CALLER),
        action="sts:AssumeRole",
        resource="arn:aws:iam::111122223333:role/deploy",
        outcome=SUCCESS,
        source_ip="192.0.2.7",
        user_agent="aws-cli/2",
    )
    assert isinstance(issue, CredentialIssued)
    assert (issue.id, issue.source, issue.time) == ("e-1/issued", use.source, AT)
    assert (issue.credential_id, issue.task_id, issue.kind) == (SESSION, "buildkite-job-17", "aws-session")
    assert issue.identifiers == (Identifier("aws-access-key-id", SESSION),)
    assert issue.expires_at == AT + 15 * MINUTE
    assert issue.revocation is not None
    assert issue.revocation["assumed_role_id"] == "AROAEXAMPLE:buildkite-job-17"


def test_a_session_token_shown_whole_is_kept_as_its_hash_only() -> None:
    token = "IQoJb3JpZ2lu" + "A1b2+/" * 40
    _, issue = translate(changed(ASSUME_ROLE, "responseElements.credentials.sessionToken", token), NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.identifiers[1] == Identifier("sha256", sha256_hex(Secret(token.encode())), length=len(token))
    assert token not in repr(issue)
    _, cut = translate(
        changed(ASSUME_ROLE, "responseElements.credentials.sessionToken", token + "...CUT"), NOW
    )
    assert isinstance(cut, CredentialIssued)
    assert len(cut.identifiers) == 1


@pytest.mark.parametrize(
    ("written", "after"),
    [
        ("May 1, 2026, 12:00:00 PM", 4 * HOUR),
        ("May 1, 2026 9:00:00\u202fAM", HOUR),
        ("May 2, 2026, 12:00:00 AM", 16 * HOUR),
        ("2026-05-01T09:00:00Z", HOUR),
        (1777626000000, HOUR),
        (None, 15 * MINUTE),  # as asked for, where the answer does not say
    ],
)
def test_an_expiry_comes_in_several_styles(written: Any, after: int) -> None:
    record = changed(ASSUME_ROLE, "responseElements.credentials.expiration", written)
    _, issue = translate(record, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.expires_at == AT + after


def test_the_task_of_a_session_is_its_name_else_the_callers() -> None:
    federated = changed(
        changed(ASSUME_ROLE, "eventName", "GetFederationToken"), "requestParameters", {"name": "job"}
    )
    plain = changed(changed(ASSUME_ROLE, "eventName", "GetSessionToken"), "requestParameters", None)
    tasks = [translate(record, NOW)[1] for record in (federated, plain)]
    assert [task.task_id for task in tasks if isinstance(task, CredentialIssued)] == [
        "job",
        "arn:aws:iam::111122223333:user/ci",
    ]


def test_a_use_names_service_and_action_and_an_error_is_a_denial() -> None:
    (use,) = translate(USE, NOW)
    assert isinstance(use, CredentialUsed)
    assert (use.action, use.resource, use.outcome) == ("s3:GetObject", "arn:aws:s3:::bucket/key", SUCCESS)
    assert use.source == "aws.cloudtrail/111122223333"
    (denied,) = translate({**USE, "errorCode": "AccessDenied"}, NOW)
    assert isinstance(denied, CredentialUsed)
    assert denied.outcome == DENIED


def test_chinas_regions_have_services_of_the_same_names() -> None:
    there = {**ASSUME_ROLE, "eventSource": "sts.amazonaws.com.cn"}
    assert translate(there, NOW) == translate(ASSUME_ROLE, NOW)


def test_a_denied_request_issues_and_revokes_nothing() -> None:
    refused = {**ASSUME_ROLE, "errorCode": "AccessDenied", "responseElements": None}
    assert [type(event) for event in translate(refused, NOW)] == [CredentialUsed]


def test_lasting_keys_are_issued_to_their_user_and_revoked() -> None:
    create = {
        **ASSUME_ROLE,
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateAccessKey",
        "responseElements": {"accessKey": {"accessKeyId": "AKIAEXAMPLENEW000000", "userName": "robot"}},
    }
    _, issue = translate(create, NOW)
    assert isinstance(issue, CredentialIssued)
    assert (issue.task_id, issue.kind, issue.expires_at) == ("aws/user/robot", "aws-access-key", None)
    key = {"requestParameters": {"accessKeyId": "AKIAEXAMPLENEW000000", "userName": "robot"}}
    delete = {**create, **key, "eventName": "DeleteAccessKey", "userIdentity": {"type": "Root"}}
    assert translate(delete, NOW) == [
        CredentialRevoked(
            time=AT,
            source="aws.cloudtrail/111122223333",
            id="e-1/revoked",
            identifier=Identifier("aws-access-key-id", "AKIAEXAMPLENEW000000"),
        )
    ]
    for status, revoked in (("Inactive", True), ("Active", False)):
        update = changed({**delete, "eventName": "UpdateAccessKey"}, "requestParameters.status", status)
        assert bool(translate(update, NOW)) == revoked


def test_what_is_neither_use_nor_issue_gives_nothing() -> None:
    assert translate({**USE, "userIdentity": {"type": "AWSService", "invokedBy": "ec2"}}, NOW) == []
    assert not looks_like({"message": "eventSource and eventName", "time": "x"})


def test_a_session_asked_for_by_another_is_below_the_others_task() -> None:
    caller = {"type": "AssumedRole", "principalId": "AROAEXAMPLE:job-1", "accessKeyId": CALLER}
    use, start, issue = translate({**ASSUME_ROLE, "userIdentity": caller}, NOW)
    assert isinstance(use, CredentialUsed)
    assert start == TaskStarted(
        time=AT, source=use.source, id="e-1/started", task_id="buildkite-job-17", parent_task_id="job-1"
    )
    assert isinstance(issue, CredentialIssued)
    assert issue.task_id == "buildkite-job-17"


def test_a_session_policy_is_what_the_session_was_granted() -> None:
    policy = json.dumps(
        {"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:in"}}
    )
    _, issue = translate(changed(ASSUME_ROLE, "requestParameters.policy", policy), NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.grants == (Grant(("sqs:*", "sts:GetCallerIdentity"), ("arn:aws:sqs:*:*:in",)),)
    _, whole = translate(ASSUME_ROLE, NOW)
    assert isinstance(whole, CredentialIssued)
    assert whole.grants is None


DENY = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"]}
OLDER = {"DateLessThan": {"aws:TokenIssueTime": "2026-05-01T08:00:00.500Z"}}


def attached(condition: Any, call: str = "PutRolePolicy", **more: Any) -> dict[str, Any]:
    statement = {**DENY, "Condition": condition, **more}
    asked = {
        "roleName": "deploy",
        "userName": "ci",
        "policyName": "AWSRevokeOlderSessions",
        "policyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
    identity = {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/revoker/r"}
    return {
        "eventTime": "2026-05-01T08:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": call,
        "userIdentity": identity,
        "requestParameters": asked,
        "eventID": "e-3",
    }


def revoked(number: int = 0, **whom: Any) -> CredentialRevoked:
    suffix = f"/{number}" if number else ""
    return CredentialRevoked(time=AT, source="aws.cloudtrail", id=f"e-3/revoked{suffix}", **whom)


def test_a_policy_against_older_sessions_ends_those_of_its_role() -> None:
    before = parse_rfc3339("2026-05-01T08:00:00.500Z")
    role = "aws/role/111122223333/deploy"
    assert translate(attached(OLDER), NOW) == [revoked(group=role, issued_before=before)]
    assert translate(attached(OLDER, "PutUserPolicy"), NOW) == [
        revoked(group="aws/user/111122223333/ci", issued_before=before)
    ]


def test_a_policy_against_one_name_ends_the_sessions_of_that_name_only() -> None:
    names = ["AROAEXAMPLE:job-1", "AROAEXAMPLE:job-2"]
    events = translate(attached({"StringEquals": {"aws:userid": names}}), NOW)
    assert events == [
        revoked(0, group="aws/session/AROAEXAMPLE:job-1"),
        revoked(1, group="aws/session/AROAEXAMPLE:job-2"),
    ]
    both = {**OLDER, "StringLike": {"aws:userId": names[0]}}
    (event,) = translate(attached(both), NOW)
    assert isinstance(event, CredentialRevoked)
    assert (event.group, event.issued_before) == (
        "aws/session/AROAEXAMPLE:job-1",
        AT + 500_000_000,
    )


def test_a_role_deleted_ends_all_its_sessions() -> None:
    assert translate(attached(OLDER, "DeleteRole"), NOW) == [revoked(group="aws/role/111122223333/deploy")]


def test_sessions_end_with_their_role_or_with_those_of_their_name_or_user() -> None:
    _, issue = translate(ASSUME_ROLE, NOW)
    plain = {**ASSUME_ROLE, "eventName": "GetSessionToken", "requestParameters": None}
    plain["responseElements"] = {"credentials": ASSUME_ROLE["responseElements"]["credentials"]}
    _, of_user = translate(plain, NOW)
    assert isinstance(issue, CredentialIssued)
    assert isinstance(of_user, CredentialIssued)
    assert issue.groups == (
        "aws/role/111122223333/deploy",
        "aws/session/AROAEXAMPLE:buildkite-job-17",
    )
    assert of_user.groups == ("aws/user/111122223333/ci",)


def twice(record: dict[str, Any]) -> str:
    """The policy with a name twice: AWS may have read the other."""
    document: str = record["requestParameters"]["policyDocument"]
    return document.replace('"Statement"', '"Statement": [], "Statement"', 1)


@pytest.mark.parametrize(
    "record",
    [
        attached(OLDER, Action="s3:*"),
        attached(OLDER, Effect="Allow"),
        attached(OLDER, Resource="arn:aws:s3:::bucket/*"),
        attached({**OLDER, "Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        attached({"DateLessThan": {**OLDER["DateLessThan"], "aws:CurrentTime": "2026-05-01T08:00:00Z"}}),
        attached({"DateGreaterThan": OLDER["DateLessThan"]}),
        attached({"DateLessThan": {"aws:TokenIssueTime": "soon"}}),
        attached({"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}),
        attached({"StringEquals": {"aws:userid": []}}),
        attached({"StringEquals": "aws:userid"}),
        attached({}),
        attached(None),
        changed(attached(OLDER), "requestParameters.policyDocument", "{"),
        changed(attached(OLDER), "requestParameters.policyDocument", "7"),
        changed(attached(OLDER), "requestParameters.policyDocument", twice(attached(OLDER))),
    ],
)
def test_a_policy_that_denies_less_ends_nothing(record: dict[str, Any]) -> None:
    """Under any other name it is a policy like others; under this one somebody should look."""
    assert translate(changed(record, "requestParameters.policyName", "less"), NOW) == []
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert caught.value.field == "requestParameters.policyDocument"


def test_a_service_that_acts_for_a_session_is_no_other_workload() -> None:
    """Its name stands as the address, which is then not judged; a workload would be."""
    identity = {**USE["userIdentity"], "invokedBy": "cloudformation.amazonaws.com"}
    (use,) = translate({**USE, "userIdentity": identity, "sourceIPAddress": "192.0.2.9"}, NOW)
    assert isinstance(use, CredentialUsed)
    assert (use.source_ip, use.workload) == ("cloudformation.amazonaws.com", None)


def test_a_call_between_two_accounts_is_told_twice_and_is_one() -> None:
    caller = {"type": "AssumedRole", "principalId": "AROAEXAMPLE:job-1", "arn": "x", "accessKeyId": CALLER}
    there = {"type": "AWSAccount", "principalId": "AROAEXAMPLE:job-1", "accountId": "999988887777"}
    ours = {
        **ASSUME_ROLE,
        "sharedEventID": "s-1",
        "userIdentity": caller,
        "recipientAccountId": "999988887777",
    }
    theirs = {**ASSUME_ROLE, "sharedEventID": "s-1", "userIdentity": there, "eventID": "e-9"}
    assert translate(ours, NOW)[1:] == translate(theirs, NOW)
    assert translate({**theirs, "responseElements": None}, NOW) == []


def test_deleting_many_objects_is_about_what_they_share() -> None:
    resources = [
        {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::bucket"},
        {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::bucket/"},
    ]
    found = {
        call: translate({**USE, "eventName": call, "resources": resources}, NOW)[0]
        for call in ("DeleteObjects", "ListObjects")
    }
    assert {call: use.resource for call, use in found.items() if isinstance(use, CredentialUsed)} == {
        "DeleteObjects": "arn:aws:s3:::bucket/",
        "ListObjects": "arn:aws:s3:::bucket",
    }


@pytest.mark.parametrize(
    ("event_name", "asked", "method", "account"),
    [
        ("AssumeRole", ASSUME_ROLE["requestParameters"], "deny-session", "111122223333"),
        ("GetFederationToken", {"name": "job"}, "deny-user-sessions", "111122223333"),
        ("GetSessionToken", None, "deny-user-sessions", "111122223333"),
    ],
)
def test_a_revoker_is_told_what_to_deny(event_name: str, asked: Any, method: str, account: str) -> None:
    record = {**ASSUME_ROLE, "eventName": event_name, "requestParameters": asked}
    _, issue = translate(record, NOW)
    assert isinstance(issue, CredentialIssued)
    assert issue.revocation is not None
    told = issue.revocation
    assert (told["provider"], told["method"], told["account"]) == ("aws", method, account)
    assert told["access_key_id"] == SESSION
    assert ("user_arn" in told) == (method == "deny-user-sessions")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"Records": [ASSUME_ROLE, USE]},
        {"Events": [{"EventId": "x", "CloudTrailEvent": json.dumps(USE)}, {}, "x"]},
        {
            "messageType": "DATA_MESSAGE",
            "logGroup": "trail",
            "logStream": "111122223333_CloudTrail_eu-west-1",
            "logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(USE)}, {}],
        },
        {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3", "detail": USE},
    ],
)
def test_what_cloudtrail_comes_in_is_opened(wrapped: dict[str, Any]) -> None:
    found = list(BUNDLED.read_object(json.dumps(wrapped).encode(), NOW))
    assert {each.format for each in found} == {"cloudtrail"}
    assert [event.id for each in found for event in each.events][-1] == "e-2"


@pytest.mark.parametrize("source", ["my.app", "aws", "AWS.s3", None, 7, ["aws.s3"]])
def test_a_record_that_anybody_put_on_a_bus_is_not_opened(source: Any) -> None:
    """`PutEvents` takes any source but `aws.…`."""
    forged = {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": source, "detail": USE}
    (found,) = BUNDLED.read_object(json.dumps(forged).encode(), NOW)
    assert found.events == ()


def test_an_applications_log_stream_is_not_opened() -> None:
    """Who can write a line of a log must not be able to write an event."""
    forged = {"logStream": "app/web-1", "logEvents": [{"message": json.dumps(USE)}]}
    (found,) = BUNDLED.read_object(json.dumps(forged).encode(), NOW)
    assert found.events == ()
    assert found.log is not None


def test_an_insights_event_reports_no_call() -> None:
    insight = {
        "eventID": "e-1",
        "insightDetails": {"eventSource": "iam.amazonaws.com", "eventName": "CreateUser"},
    }
    (found,) = BUNDLED.read_object(json.dumps(insight).encode(), NOW)
    assert (found.format, found.idle, found.error) == ("cloudtrail", "cloudtrail/insight", None)


def test_what_is_told_of_no_call_is_an_event_of_another_type() -> None:
    assert known(USE)
    assert known({**USE, "eventType": "AwsApiCall"})
    assert not known({**USE, "eventType": "AwsCloudTrailInsight"})
    assert not known({**USE, "eventType": ["AwsApiCall"]})


def test_only_iam_makes_and_ends_keys() -> None:
    other = {**USE, "eventName": "DeleteAccessKey", "eventSource": "workmail.amazonaws.com"}
    assert [type(event) for event in translate(other, NOW)] == [CredentialUsed]


def test_an_event_without_an_id_gets_one_by_what_it_says() -> None:
    lacking, later = (
        changed(USE, "eventID", None),
        changed(USE, "eventID", None) | {"eventTime": "2026-05-01T09:00:00Z"},
    )
    ids = [translate(one, NOW)[0].id for one in (lacking, lacking, later)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("record", "reason", "field"),
    [
        (changed(USE, "eventTime", None), "missing-field", "eventTime"),
        (changed(USE, "eventTime", "marker"), "bad-time", "eventTime"),
        (changed(USE, "eventTime", "2026-05-02T00:10:01Z"), "future-time", "eventTime"),
        (changed(USE, "eventID", ["marker"]), "wrong-field", "eventID"),
        (changed(USE, "eventSource", ["marker"]), "wrong-field", "eventSource"),
        (changed(USE, "userIdentity.accessKeyId", {"marker": 1}), "wrong-field", "userIdentity.accessKeyId"),
        (
            changed(ASSUME_ROLE, "responseElements.credentials", None),
            "missing-field",
            "responseElements.credentials.accessKeyId",
        ),
        (
            changed(ASSUME_ROLE, "responseElements.credentials.expiration", "Marker 1, 2026, 8:15:00 AM"),
            "bad-time",
            "responseElements.credentials.expiration",
        ),
        (
            changed(
                changed(ASSUME_ROLE, "responseElements.credentials.expiration", None),
                "requestParameters.durationSeconds",
                10**30,
            ),
            "missing-field",
            "responseElements.credentials.expiration",
        ),
        (
            {**USE, "eventName": "DeleteAccessKey", "eventSource": "iam.amazonaws.com"},
            "missing-field",
            "requestParameters.accessKeyId",
        ),
    ],
)
def test_a_known_event_that_lacks_a_field_names_it(record: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        translate(record, NOW)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert "marker" not in str(caught.value).lower()


def issued_to(call: str, **fields: Any) -> IssuedTo | None:
    (issue,) = (
        event
        for event in translate({**ASSUME_ROLE, "eventName": call, **fields}, NOW)
        if isinstance(event, CredentialIssued)
    )
    return issue.issued_to


@pytest.mark.parametrize("call", ["AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken"])
def test_who_shows_an_identity_of_their_own_gets_the_session(call: str) -> None:
    assert issued_to(call) == IssuedTo("192.0.2.7")
    user = {"type": "WebIdentityUser", "userName": "repo:octo/app:ref:refs/heads/main"}
    assert issued_to(call, userIdentity=user) == IssuedTo("192.0.2.7", "repo:octo/app:ref:refs/heads/main")


@pytest.mark.parametrize("call", ["AssumeRole", "AssumeRoot", "GetFederationToken"])
def test_a_broker_may_get_a_session_for_somebody_else(call: str) -> None:
    assert issued_to(call) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"sourceIPAddress": "sts.amazonaws.com"},
        {"sourceIPAddress": "AWS Internal"},
        {"sourceIPAddress": None},
        {"sourceIPAddress": "10.0.1.5", "vpcEndpointId": "vpce-0a1b"},
        {"userIdentity": {"type": "AWSService", "invokedBy": "codebuild.amazonaws.com"}},
    ],
)
def test_a_session_is_issued_to_no_address_that_cannot_be_compared(fields: dict[str, Any]) -> None:
    assert issued_to("AssumeRoleWithWebIdentity", **fields) is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("10.0.1.5", "vpce-0a1b/10.0.1.5"),
        ("100.64.3.9", "vpce-0a1b/100.64.3.9"),
        ("fd00::5", "vpce-0a1b/fd00::5"),
        ("10.0.1.5:5555", "vpce-0a1b/10.0.1.5:5555"),
        ("198.51.100.7", "vpce-0a1b/198.51.100.7"),  # a documentation network is nobody's on the internet
        ("8.8.8.8", "8.8.8.8"),  # the same for calls over the internet
        ("2600:1f00::5", "2600:1f00::5"),
        ("s3.amazonaws.com", "s3.amazonaws.com"),
    ],
)
def test_a_private_address_behind_a_vpc_endpoint_is_no_address_to_compare(address: str, shown: str) -> None:
    (use,) = translate({**USE, "sourceIPAddress": address, "vpcEndpointId": "vpce-0a1b"}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.source_ip == shown
    (use,) = translate({**USE, "sourceIPAddress": address}, NOW)
    assert isinstance(use, CredentialUsed)
    assert use.source_ip == address
