# The least rights of curfewd's target `vault`, in HashiCorp Vault and OpenBao. The token must have no policy but this one.
# With namespaces, write the policy in each, or put `+/` before the paths in the root namespace's.
# tests/clusters/test_vault.py holds a server to it.

path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}

path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}

path "sys/leases/lookup" {
  capabilities = ["update"]
}

# One lease. There is no right to sys/leases/revoke-prefix and sys/leases/revoke-force.
path "sys/leases/revoke" {
  capabilities = ["update"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}
