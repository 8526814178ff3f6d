package main

import "slices"

// minimise leaves out of a case what it can while the engines still disagree about it in the same way.
func minimise(c *Case, s *server) error {
	type sort struct{ rows, failed, compiled, lost bool }
	how := func(want, got *Answer) [2]sort {
		of := func(a *Answer) sort { return sort{a.Rows != nil, a.Error != "", a.Compile != nil, a.Lost != ""} }
		return [2]sort{of(want), of(got)}
	}
	differs := func() ([2]sort, bool, error) {
		q := c.Question()
		want := Ask(q)
		if want.Lost != "" {
			return [2]sort{}, false, nil
		}
		got, err := s.ask(q)
		if err != nil {
			return [2]sort{}, false, err
		}
		return how(want, got), !Same(want, got), nil
	}
	first, _, err := differs()
	if err != nil {
		return err
	}
	// try keeps a change if the difference is still there, and takes it back if not.
	try := func(change, undo func()) (bool, error) {
		change()
		now, still, err := differs()
		if err == nil && still && now == first {
			return true, nil
		}
		undo()
		return false, err
	}
	for changed := true; changed; {
		changed = false
		kept := func(ok bool, err error) bool {
			changed = changed || ok
			return err == nil
		}
		for m := len(c.Modules) - 1; m >= 0; m-- {
			modules := c.Modules
			if len(modules) > 1 {
				ok, err := try(func() { c.Modules = slices.Delete(slices.Clone(modules), m, m+1) }, func() { c.Modules = modules })
				if !kept(ok, err) {
					return err
				}
				if ok {
					continue
				}
			}
			module := c.Modules[m]
			for i := len(module.Header) - 1; i > 0; i-- {
				header := module.Header
				if !kept(try(func() { module.Header = slices.Delete(slices.Clone(header), i, i+1) }, func() { module.Header = header })) {
					return err
				}
			}
			for r := len(module.Rules) - 1; r >= 0; r-- {
				rules := module.Rules
				ok, err := try(func() { module.Rules = slices.Delete(slices.Clone(rules), r, r+1) }, func() { module.Rules = rules })
				if !kept(ok, err) {
					return err
				}
				if ok {
					continue
				}
				rule := module.Rules[r]
				for b := len(rule.Branches) - 1; b >= 0; b-- {
					branches := rule.Branches
					if b > 0 {
						ok, err := try(func() { rule.Branches = slices.Delete(slices.Clone(branches), b, b+1) }, func() { rule.Branches = branches })
						if !kept(ok, err) {
							return err
						}
						if ok {
							continue
						}
					}
					branch := &rule.Branches[b]
					for i := len(branch.Body) - 1; i >= 0; i-- {
						body := branch.Body
						if !kept(try(func() { branch.Body = slices.Delete(slices.Clone(body), i, i+1) }, func() { branch.Body = body })) {
							return err
						}
					}
				}
			}
		}
		if c.Strict {
			if !kept(try(func() { c.Strict = false }, func() { c.Strict = true })) {
				return err
			}
		}
		base, _ := c.Data["base"].(map[string]any)
		for _, document := range []map[string]any{c.Input, base} {
			for _, f := range fields {
				value, ok := document[f.name]
				if !ok {
					continue
				}
				if !kept(try(func() { delete(document, f.name) }, func() { document[f.name] = value })) {
					return err
				}
			}
		}
	}
	return nil
}
