package partials

import rego.v1

# Sets and objects grown by many rules, and read by keys.
by_namespace[namespace] contains name if {
	some pod in input.pods
	namespace := pod.metadata.namespace
	name := pod.metadata.name
}

images[pod.metadata.name] := [c.image | some c in pod.spec.containers] if some pod in input.pods

owners[team] contains name if {
	some namespace, team in input.teams
	some name in by_namespace[namespace]
}

on_node[pod.spec.nodeName][pod.metadata.name] := object.get(pod.metadata, "labels", {}) if some pod in input.pods

crowded contains namespace if {
	some namespace, names in by_namespace
	count(names) > 5
}

result := {"owners": owners, "crowded": crowded, "images": images[input.pods[3].metadata.name], "nodes": object.keys(on_node)}
