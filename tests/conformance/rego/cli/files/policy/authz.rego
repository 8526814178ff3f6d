# METADATA
# title: Who may do what
# authors:
#   - name: Ann
package authz

import data.roles

default allow := false

# Admins may do anything.
allow if {
	some role in roles[input.user]
	role == "admin"
}

allow if {
	input.method == "GET"
	is_member
}

is_member if input.user in object.keys(roles)

names contains name if some name, _ in roles

deny contains msg if {
	not allow
	msg := sprintf("%s may not %s", [input.user, input.method])
}
