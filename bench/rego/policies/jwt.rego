package tokens

import rego.v1

# A token's signature, claims and scopes.
claims := payload if {
	io.jwt.verify_hs256(input.token, "a secret of thirty-two bytes or so")
	[_, payload, _] := io.jwt.decode(input.token)
}

allow if {
	claims.iss == "https://issuer.example"
	claims.exp > 1500000000
	some scope in split(claims.scope, " ")
	scope == concat(":", [input.method, input.resource])
}
