package authz_test

import data.authz

test_admin if authz.allow with input as {"user": "ann", "method": "DELETE"} with data.roles as {"ann": ["admin"]}

test_other_denied if {
	not authz.allow with input as {"user": "eve"}
}

test_prints if {
	print("the user is", "x")
	true
}
