# For every Custos program that reads or writes data: wraps and unwraps secrets, and can neither
# make nor destroy an epoch. Engine `transit`, prefix `custos`; adapt both to your address.
#
#   bao secrets enable transit
#   bao policy write custos-use custos-use.hcl
#   bao token create -policy=custos-use -orphan -period=24h

path "transit/encrypt/custos-epoch-*" {
  # Not `create`: it would make a key that is not there, a destroyed one too.
  capabilities = ["update"]
}

path "transit/decrypt/custos-epoch-*" {
  capabilities = ["update"]
}

path "transit/keys" {
  capabilities = ["list"]
}

path "transit/keys/custos-*" {
  capabilities = ["read"]
}
