package policy

import "testing"

func TestAnchorsSayAllThatTheyAskFor(t *testing.T) {
	roots := map[string]bool{"aa": true}
	for want, a := range map[string]anchor{
		`a (organization "Vendor")`:                                  {kind: "authenticode", organization: "Vendor"},
		`a (any publisher under a trusted root)`:                     {kind: "authenticode", organization: "*"},
		`a (common name "Vendor App")`:                               {kind: "authenticode", organization: "*", commonName: "Vendor App"},
		`a (organization "Vendor", country DE, issuer "CA *")`:       {kind: "authenticode", organization: "Vendor", country: "DE", issuer: "CA *"},
		`a (a certificate by its thumbprint)`:                        {kind: "authenticode", thumbprints: []string{"bb"}},
		`a (organization "Vendor", a certificate by its thumbprint)`: {kind: "authenticode", organization: "Vendor", thumbprints: []string{"bb"}},
		`a (a publisher under roots of its own)`:                     {kind: "authenticode", organization: "*", roots: roots},
		`a (common name "Vendor App" under roots of its own)`:        {kind: "authenticode", commonName: "Vendor App", roots: roots},
		`a (organization "Vendor" under roots of its own)`:           {kind: "cms", organization: "Vendor"},
		`a (common name "Signer" under roots of its own)`:            {kind: "cms", commonName: "Signer"},
		`a (certificates under roots of its own)`:                    {kind: "cms"},
	} {
		a.name = "a"
		if got := a.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
