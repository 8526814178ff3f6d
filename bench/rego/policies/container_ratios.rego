package containerratios

violation[{"msg": msg}] {
	container := containers[_]
	resource := {"cpu", "memory"}[_]
	limit := amount(resource, container.resources.limits[resource])
	request := amount(resource, container.resources.requests[resource])
	ratio := ratio_of(resource)
	limit > request * ratio
	msg := sprintf("container <%v> limits %v to %v, more than %v times the %v it requests", [
		container.name, resource, container.resources.limits[resource], ratio, container.resources.requests[resource],
	])
}

violation[{"msg": msg}] {
	container := containers[_]
	section := {"limits", "requests"}[_]
	resource := {"cpu", "memory"}[_]
	not amount(resource, container.resources[section][resource])
	msg := sprintf("container <%v> has no %v in %v", [container.name, resource, section])
}

ratio_of("cpu") = to_number(object.get(input.parameters, "cpuRatio", input.parameters.ratio))
ratio_of("memory") = to_number(input.parameters.ratio)

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }

amount("cpu", text) = n {
	is_string(text)
	endswith(text, "m")
	n := to_number(trim_suffix(text, "m"))
}

amount("cpu", text) = n {
	is_string(text)
	not endswith(text, "m")
	n := to_number(text) * 1000
}

amount("cpu", number) = n {
	is_number(number)
	n := number * 1000
}

amount("memory", text) = n {
	is_string(text)
	n := units.parse_bytes(text)
}

amount("memory", number) = number {
	is_number(number)
}
