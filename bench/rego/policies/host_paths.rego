package hostpaths

violation[{"msg": msg, "details": {"volume": volume.name}}] {
	volume := input.review.object.spec.volumes[_]
	volume.hostPath
	not allowed(volume)
	msg := sprintf("the host path <%v> of volume <%v> is not allowed; allowed are %v", [volume.hostPath.path, volume.name, input.parameters.allowedHostPaths])
}

allowed(volume) {
	rule := input.parameters.allowedHostPaths[_]
	below(rule.pathPrefix, volume.hostPath.path)
	not rule.readOnly
}

allowed(volume) {
	rule := input.parameters.allowedHostPaths[_]
	below(rule.pathPrefix, volume.hostPath.path)
	rule.readOnly
	not written(volume.name)
}

written(name) {
	mount := containers[_].volumeMounts[_]
	mount.name == name
	not mount.readOnly
}

# below("/foo", "/foo/bar"), but not below("/foo", "/foobar")
below(prefix, path) {
	a := split(trim(prefix, "/"), "/")
	b := split(trim(path, "/"), "/")
	not differs(a, b)
}

differs(a, b) {
	count(a) > count(b)
}

differs(a, b) {
	a[i] != b[i]
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
