# METADATA
# title: x
package a.b

# c
import data.x as y

default p := 1

f(x, _) := {"a": x, "b": [1, {2}]} if { x > 1; not y with input.z as 1 } else := null

q contains v if { some v in [z | z := y[_]]; every k, w in {1, 2} { k == w } }

x.y[i] := i if i := 1
