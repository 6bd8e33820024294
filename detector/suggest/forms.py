"""The forms of all providers, by the name of their option."""

from typing import Final

from detector.suggest import aws_policy, github_permissions, kubernetes_rbac, vault_policy

FORMS: Final = {
    "aws-session-policy": aws_policy.FORM,
    "kubernetes-rbac": kubernetes_rbac.FORM,
    "vault-policy": vault_policy.FORM,
    "github-permissions": github_permissions.FORM,
}
