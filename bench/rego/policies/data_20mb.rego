package entitlements

import rego.v1

# A large document of users, teams and what they own, looked at in a few places.
default allow := false

allow if {
	user := data.users[input.user]
	user.active
	some team in user.teams
	some grant in data.teams[team].grants
	glob.match(grant, [":"], input.resource)
}
