package uniqueingresshost

identical(object, review) {
	object.metadata.namespace == review.object.metadata.namespace
	object.metadata.name == review.object.metadata.name
}

violation[{"msg": msg}] {
	input.review.kind.kind == "Ingress"
	re_match("^(extensions|networking.k8s.io)$", input.review.kind.group)
	host := input.review.object.spec.rules[_].host
	other := data.inventory.namespace[_][version]["Ingress"][_]
	re_match("^(extensions|networking.k8s.io)/.+$", version)
	other.spec.rules[_].host == host
	not identical(other, input.review)
	msg := sprintf("the host <%v> belongs to another ingress", [host])
}
