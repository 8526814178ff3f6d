package withevery

import rego.v1

# One decision for many requests, by `with`; `every` over what they ask for.
allowed if {
	every item in input.items {
		item.quantity <= data.limits[item.kind]
		permitted(item.kind)
	}
}

permitted(kind) if kind in data.kinds[input.tenant]

decisions[request.id] := decision if {
	some request in input.requests
	decision := allowed_as(request)
}

allowed_as(request) if {
	allowed with input as {"tenant": request.tenant, "items": request.items}
} else := false
