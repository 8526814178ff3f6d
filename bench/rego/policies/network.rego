package network

import rego.v1

# Flows against rules with address blocks and ports.
allowed contains flow.id if {
	some flow in input.flows
	some rule in data.rules
	rule.protocol == flow.protocol
	flow.port >= rule.from
	flow.port <= rule.to
	net.cidr_contains(rule.source, flow.source)
	net.cidr_contains(rule.destination, flow.destination)
}

denied contains flow.id if {
	some flow in input.flows
	not flow.id in allowed
}
