package main

import (
	"errors"
	"fmt"
)

// inspectedHosts returns the hosts that a policy file names to be looked into, for a CA that is to be good for them
// and no others; "" is the built-in policy. Hosts to which a channel redirects are not among them: a CA that is
// confined cannot speak for those, and the client's download from there fails.
func inspectedHosts(path string) ([]string, error) {
	p, err := loadPolicy(path)
	if err != nil {
		return nil, fmt.Errorf("reading the inspected hosts: %w", err)
	}
	hosts, others := p.InspectedHosts()
	if others {
		return nil, advise(errors.New("ca.name_constraints makes no sense with a policy whose defaults.hosts is inspect: the CA has to speak for every host"),
			"list what is to be inspected in the policy, or leave ca.name_constraints out")
	}
	if len(hosts) == 0 {
		return nil, errors.New("ca.name_constraints makes no sense with a policy that inspects no host by name")
	}
	return hosts, nil
}
