package posture

import rego.v1

# What a node's worth of Pods does wrong: many rules over all containers of all Pods.
containers contains {"pod": pod.metadata.name, "container": container} if {
	some pod in input.pods
	some container in pod.spec.containers
}

deny contains {"rule": "privileged", "pod": pod, "container": c.name} if {
	some {"pod": pod, "container": c} in containers
	c.securityContext.privileged
}

deny contains {"rule": "root", "pod": pod, "container": c.name} if {
	some {"pod": pod, "container": c} in containers
	object.get(c, ["securityContext", "runAsNonRoot"], false) == false
}

deny contains {"rule": "latest", "pod": pod, "container": c.name} if {
	some {"pod": pod, "container": c} in containers
	tag(c.image) == "latest"
}

deny contains {"rule": "secret in environment", "pod": pod, "container": c.name, "variable": e.name} if {
	some {"pod": pod, "container": c} in containers
	some e in c.env
	some word in ["password", "token", "secret"]
	contains(lower(e.name), word)
	e.value
}

deny contains {"rule": "docker socket", "pod": pod.metadata.name, "volume": volume.name} if {
	some pod in input.pods
	some volume in pod.spec.volumes
	some container in pod.spec.containers
	some mount in container.volumeMounts
	mount.name == volume.name
	volume.hostPath.path == "/var/run/docker.sock"
}

deny contains {"rule": "port", "pod": pod, "container": c.name, "port": p.containerPort} if {
	some {"pod": pod, "container": c} in containers
	some p in c.ports
	p.containerPort < 1024
}

tag(image) := "latest" if {
	not contains(image, ":")
} else := t if {
	parts := split(image, ":")
	t := parts[count(parts) - 1]
}
