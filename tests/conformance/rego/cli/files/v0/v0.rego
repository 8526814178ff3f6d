package old

deny[msg] {
	input.x > 1
	msg := "too big"
}

p = x { x := 1 }
