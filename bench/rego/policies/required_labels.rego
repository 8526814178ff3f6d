package requiredlabels

message(parameters, otherwise) = text {
	text := parameters.message
}

message(parameters, otherwise) = otherwise {
	not parameters.message
}

violation[{"msg": msg, "details": {"missing": missing}}] {
	present := {label | input.review.object.metadata.labels[label]}
	wanted := {label | label := input.parameters.labels[_].key}
	missing := wanted - present
	count(missing) > 0
	msg := message(input.parameters, sprintf("these labels must be set: %v", [missing]))
}

violation[{"msg": msg}] {
	value := input.review.object.metadata.labels[key]
	expected := input.parameters.labels[_]
	expected.key == key
	expected.allowedRegex != ""
	not re_match(expected.allowedRegex, value)
	msg := message(input.parameters, sprintf("label <%v: %v> does not match %v", [key, value, expected.allowedRegex]))
}
