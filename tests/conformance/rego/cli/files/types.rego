package types

p if count("a", "b")

q if input.x == upper(1)
