package allowedrepos

violation[{"msg": msg, "details": {"container": container.name}}] {
	container := containers[_]
	not from_allowed(container.image)
	msg := sprintf("container <%v> uses the image <%v>, which is from none of %v", [container.name, container.image, input.parameters.repos])
}

from_allowed(image) {
	startswith(image, input.parameters.repos[_])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
containers[c] { c := input.review.object.spec.ephemeralContainers[_] }
