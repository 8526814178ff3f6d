package capabilities

violation[{"msg": msg}] {
	container := input.review.object.spec.containers[_]
	disallowed(container)
	msg := sprintf("container <%v> adds capabilities that are not allowed: %v", [container.name, input.parameters.allowedCapabilities])
}

violation[{"msg": msg}] {
	container := input.review.object.spec.containers[_]
	missing := not_dropped(container)
	count(missing) > 0
	msg := sprintf("container <%v> does not drop %v", [container.name, missing])
}

violation[{"msg": msg}] {
	container := input.review.object.spec.initContainers[_]
	disallowed(container)
	msg := sprintf("init container <%v> adds capabilities that are not allowed: %v", [container.name, input.parameters.allowedCapabilities])
}

disallowed(container) {
	allowed := {lower(c) | c := input.parameters.allowedCapabilities[_]}
	not allowed["*"]
	added := {lower(c) | c := container.securityContext.capabilities.add[_]}
	count(added - allowed) > 0
}

not_dropped(container) = missing {
	required := {lower(c) | c := input.parameters.requiredDropCapabilities[_]}
	dropped := {lower(c) | c := container.securityContext.capabilities.drop[_]}
	not dropped.all
	missing := required - dropped
}
