package main

deny contains msg if {
	input.kind == "Deployment"
	not input.spec.template.spec.securityContext.runAsNonRoot
	msg := sprintf("%s runs as root", [input.metadata.name])
}

deny contains {"msg": "no <labels>", "_loc": {"file": "deployment.yaml", "line": 3}, "severity": 2} if not input.metadata.labels

warn_replicas contains "more than two replicas" if input.spec.replicas > 2

violation_image contains {"msg": msg, "details": {"image": c.image}} if {
	some c in input.spec.template.spec.containers
	endswith(c.image, ":latest")
	msg := sprintf("%s is latest", [c.image])
}

exception contains rules if {
	input.metadata.name == "excused"
	rules := ["image"]
}
