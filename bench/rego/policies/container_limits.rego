package containerlimits

violation[{"msg": msg}] {
	container := containers[_]
	cpu_text := container.resources.limits.cpu
	cpu := millicores(cpu_text)
	limit := millicores(input.parameters.cpu)
	cpu > limit
	msg := sprintf("container <%v> may take cpu <%v>, the most is <%v>", [container.name, cpu_text, input.parameters.cpu])
}

violation[{"msg": msg}] {
	container := containers[_]
	memory_text := container.resources.limits.memory
	memory := bytes(memory_text)
	limit := bytes(input.parameters.memory)
	memory > limit
	msg := sprintf("container <%v> may take memory <%v>, the most is <%v>", [container.name, memory_text, input.parameters.memory])
}

violation[{"msg": msg}] {
	container := containers[_]
	resource := ["cpu", "memory"][_]
	not container.resources.limits[resource]
	msg := sprintf("container <%v> has no limit of %v", [container.name, resource])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }

millicores(text) = n {
	is_number(text)
	n := text * 1000
}

millicores(text) = n {
	not is_number(text)
	endswith(text, "m")
	n := to_number(replace(text, "m", ""))
}

millicores(text) = n {
	not is_number(text)
	not endswith(text, "m")
	re_match("^[0-9]+(\\.[0-9]+)?$", text)
	n := to_number(text) * 1000
}

factor("E") = 1000000000000000000
factor("P") = 1000000000000000
factor("T") = 1000000000000
factor("G") = 1000000000
factor("M") = 1000000
factor("k") = 1000
factor("") = 1
factor("Ki") = 1024
factor("Mi") = 1048576
factor("Gi") = 1073741824
factor("Ti") = 1099511627776
factor("Pi") = 1125899906842624
factor("Ei") = 1152921504606846976

suffix(text) = s {
	count(text) > 1
	s := substring(text, count(text) - 2, -1)
	factor(s)
} else = s {
	count(text) > 0
	s := substring(text, count(text) - 1, -1)
	factor(s)
} else = ""

bytes(text) = n {
	is_number(text)
	n := text
}

bytes(text) = n {
	not is_number(text)
	s := suffix(text)
	digits := replace(text, s, "")
	re_match("^[0-9]+(\\.[0-9]+)?$", digits)
	n := to_number(digits) * factor(s)
}
