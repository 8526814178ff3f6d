package rbac

# Who may do what: roles bound to users, permissions granted to roles.
default allow := false

allow if {
	some role in user_roles
	some grant in data.grants[role]
	grant.action == input.action
	grant.resource == input.resource
}

allow if "admin" in user_roles

user_roles contains role if {
	some role in data.bindings[input.user]
}
