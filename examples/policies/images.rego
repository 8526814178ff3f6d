# Rules that join an inspection: bulwark inspect examples/ --rego examples/policies
package images

# METADATA
# title: Images are named by digest
# description: A tag may mean another image tomorrow; a digest never does.
# custom:
#   severity: low
deny contains {"msg": msg, "path": path} if {
	some i, container in input.spec.template.spec.containers
	not contains(container.image, "@sha256:")
	msg := sprintf("%s is not named by digest", [container.image])
	path := sprintf("spec.template.spec.containers[%d].image", [i])
}
