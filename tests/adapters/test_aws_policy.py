import json
from typing import Any

import pytest

from detector.adapters.aws.session_policy import grants_of
from detector.values.events import Grant
from detector.values.globs import covering, scope_of


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def test_a_policy_with_a_name_twice_gives_none() -> None:
    policy = document(allow("s3:GetObject"))
    assert grants_of(policy) is not None
    assert grants_of(policy.replace('"Action"', '"Action": "*", "Action"')) is None


def test_what_a_policy_allows_is_a_grant_a_statement() -> None:
    policy = document(
        allow(["dynamodb:GetItem", "dynamodb:Query"], "arn:aws:dynamodb:*:*:table/jobs", Sid="Jobs"),
        allow("sqs:*", ["arn:aws:sqs:*:*:in", "arn:aws:sqs:*:*:out"]),
    )
    assert grants_of(policy) == (
        Grant(
            ("dynamodb:GetItem", "dynamodb:Query", "sts:GetCallerIdentity"),
            ("arn:aws:dynamodb:*:*:table/jobs",),
        ),
        Grant(("sqs:*",), ("arn:aws:sqs:*:*:in", "arn:aws:sqs:*:*:out")),
    )


def test_who_am_i_needs_no_permission() -> None:
    grants = grants_of(document(allow("s3:GetObject", "arn:aws:s3:::bucket/*"), allow("sqs:*")))
    assert grants is not None
    assert covering(scope_of(grants), "sts:GetCallerIdentity", None) == (0,)
    assert not covering(scope_of(grants), "sts:AssumeRole", None)


def test_what_a_glob_covers_anyway_is_not_added_to_it() -> None:
    assert grants_of(document(allow("*"), allow("s3:*"))) == (
        Grant(("*",), ("*",)),
        Grant(("s3:*",), ("*",)),
    )


def test_one_statement_need_not_be_in_a_list_and_prefixes_are_of_any_case() -> None:
    policy = json.dumps({"Statement": allow("SQS:SendMessage")})
    assert grants_of(policy) == (Grant(("sqs:SendMessage", "sts:GetCallerIdentity"), ("*",)),)


@pytest.mark.parametrize(
    ("granted", "call", "covered"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("s3:GetObject", "s3:HeadObject", True),  # IAM has no permission of that name
        ("s3:Get*", "s3:HeadObject", True),
        ("s3:GetObject", "s3:PutObject", False),
        ("s3:PutObject", "s3:CreateMultipartUpload", True),
        ("s3:ListBucket", "s3:ListObjectsV2", True),
        ("s3:ListAllMyBuckets", "s3:ListObjectsV2", False),
        ("cloudwatch:PutMetricData", "monitoring:PutMetricData", True),
        ("lambda:InvokeFunction", "lambda:Invoke", True),
        ("lambda:UpdateFunctionCode", "lambda:UpdateFunctionCode20150331v2", True),
        ("lambda:UpdateFunctionCode", "lambda:DeleteFunction20150331", False),
        ("*", "iam:CreateUser", True),
    ],
)
def test_a_permission_covers_the_calls_that_need_it(granted: str, call: str, *, covered: bool) -> None:
    grants = grants_of(document(allow(granted)))
    assert grants is not None
    assert bool(covering(scope_of(grants), call, None)) == covered


@pytest.mark.parametrize(
    "policy",
    [
        document({"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
        document(allow("s3:GetObject"), {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}),
        document(allow("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}})),
        document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        document({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::secret/*"}),
        document(allow("s3:GetObject", "arn:aws:s3:::home/${aws:username}/*")),
        document(allow("s3:getobject")),  # IAM does not care for case, a glob does
        document(allow("GetObject")),
        document(allow([])),
        document(allow("s3:GetObject", [])),
        document(allow(["s3:GetObject", 7])),
        document(allow({"s3": "GetObject"})),
        document({"Effect": "Allow", "Action": "s3:*"}),
        document(),
        json.dumps({"Statement": "all"}),
        json.dumps(["Statement"]),
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        document(allow("s3:GetObject"))[:-3],
        "[" * 15_000,
        document(allow("s3:GetObject", "x" * 20_000)),
        "",
        None,
        {"Statement": allow("s3:GetObject")},
    ],
)
def test_what_cannot_be_said_as_grants_gives_none(policy: object) -> None:
    assert grants_of(policy) is None


def test_policies_named_by_arn_allow_what_is_not_told() -> None:
    policy = document(allow("s3:GetObject"))
    assert grants_of(policy, []) is not None
    assert grants_of(policy, [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]) is None
