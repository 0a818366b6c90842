# For `custos init` and `custos keys rotate` alone: makes and destroys epochs, opens nothing.
# Give it to a short-lived token, beside one with `custos-use`.
#
#   bao policy write custos-destroy custos-destroy.hcl
#   bao token create -policy=custos-destroy -ttl=1h

path "transit/config/keys" {
  # Forbids the engine to make keys by the way when something is encrypted.
  capabilities = ["create", "update"]
}

path "transit/keys/custos-epoch-*" {
  capabilities = ["create", "update", "delete"]
}

# What marks an epoch as destroyed is made and never changed: without `deletion_allowed` nobody can
# delete it.
path "transit/keys/custos-destroyed-*" {
  capabilities = ["create", "update"]
  allowed_parameters = {
    "type"    = ["aes256-gcm96"]
    "derived" = []
  }
}
