package main

import (
	"fmt"

	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// attacksTUF are what somebody between a TUF repository and its clients can do, or somebody with some of its keys.
func attacksTUF() []drillAttack {
	return []drillAttack{
		{
			name: "tuf-rollback", title: "a TUF repository answers with the timestamp of an earlier day", hosts: []string{repositoryHost(replayRepository)}, own: true,
			story: "Whoever sits between a repository and its clients keeps an old timestamp, which was well signed, and serves it when a fix is out. A client that has seen the newer one must not go back.",
			stage: stageTimestampReplay,
		},
		{
			name: "tuf-freeze", title: "a TUF repository stays as it was before its timestamp ended", hosts: []string{repositoryHost(frozenRepository)}, own: true,
			story: "A mirror serves the same metadata for ever, so that no fix arrives. The timestamp says until when it may be believed; it ended an hour ago.",
			stage: stageTimestampFreeze,
		},
		{
			name: "tuf-swap", title: "a target of a TUF repository is another file", hosts: []string{repositoryHost(swappedRepository)}, own: true,
			story: "The store of files is taken over, and the keys are not: the metadata is in order, and the file under a listed name is another one; or there is a file that nobody lists.",
			stage: stageTargetSwap,
		},
		{
			name: "tuf-detour", title: "a role that one delegator trusts signs for another one's files", hosts: []string{repositoryHost(detourRepository)}, own: true,
			story: "Two roles delegate to a third of the same name, each with keys of its own choice. Clients that verify a role once and then know it by its name take what the one delegator's keys " +
				"signed for what the other one vouches for: go-tuf and python-tuf do. Here the community role has brought in keys of its own for the role builds, to which releases are delegated as well.",
			stage: stageDetour,
		},
		{
			name: "tuf-threshold", title: "a new root of a TUF repository, signed by one key where two have to", hosts: []string{repositoryHost(thresholdRepository)}, own: true,
			story: "One of two keys of the root role is stolen. The thief publishes a root in which that key alone is enough for everything.",
			stage: stageThresholdCut,
		},
	}
}

// drillRepository is a TUF repository of the drill, on a host of its own below updatesHost.
type drillRepository struct {
	name   string
	fill   func(*tuftest.Repository) error // has its roles list something
	begins string                          // the attack that is made on it from the beginning; "" for none
}

const (
	replayRepository    = "replay"
	frozenRepository    = "frozen"
	swappedRepository   = "swapped"
	detourRepository    = "detour"
	thresholdRepository = "threshold"
)

var drillRepositories = []drillRepository{
	{name: replayRepository, fill: listUpdate}, {name: frozenRepository, fill: listUpdate, begins: "frozen"},
	{name: swappedRepository, fill: listUpdate}, {name: detourRepository, fill: listDetour}, {name: thresholdRepository, fill: listUpdate},
}

// drillUpdate is what most of the repositories list.
const drillUpdate = "app-2.0.bin"

// updateBytes are those of an update that does nothing. Nobody has signed it but those who list it.
func updateBytes(seed int) []byte { return inertPayload(16<<10 + seed) }

func listUpdate(repo *tuftest.Repository) error {
	repo.Add(repo.Targets, drillUpdate, updateBytes(0))
	return nil
}

// listDetour has the roles releases and community delegate to builds: releases by a key that never signed what is there.
func listDetour(repo *tuftest.Repository) error {
	releases, _, err := repo.Delegate(repo.Targets, "releases", "releases/*")
	if err != nil {
		return err
	}
	community, _, err := repo.Delegate(repo.Targets, "community", "community/*")
	if err != nil {
		return err
	}
	builds, _, err := repo.Delegate(community, "builds", "community/*")
	if err != nil {
		return err
	}
	vendor, err := tuftest.NewKey(tuftest.Ed25519, repo.Seed+"/builds of the vendor")
	if err != nil {
		return err
	}
	releases.Delegations = append(releases.Delegations, &tuftest.Delegation{Role: "builds", Keys: []*tuftest.Key{vendor}, Threshold: 1, Paths: []string{"releases/*"}})
	releases.Change()
	repo.Add(releases, "releases/own-1.0.bin", updateBytes(1))
	repo.Add(builds, "community/tool-1.0.bin", updateBytes(2))
	repo.Add(builds, "releases/app-2.0.bin", updateBytes(3))
	return nil
}

// underAttack returns what a repository serves under one of the attacks that are known of TUF, on the update that it lists.
func underAttack(repo *tuftest.Repository, attack string) (tuftest.State, error) {
	for _, a := range tuftest.Attacks() {
		if a.Name == attack {
			return a.On(repo, drillUpdate)
		}
	}
	return tuftest.State{}, fmt.Errorf("no attack is called %s", attack)
}

// repository returns the site of a repository, and the beginning of its URLs.
func (r *drillRange) repository(name string) (s *repositorySite, base string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, _ = r.serve[repositoryHost(name)].(*repositorySite)
	return s, "https://" + repositoryHost(name) + "/"
}

func stageTimestampReplay(r *drillRange) ([]drillShot, error) {
	s, base := r.repository(replayRepository)
	newest := s.published()[drillTimestamp]
	state, err := underAttack(r.repositories[replayRepository], "replayed-timestamp")
	if err != nil {
		return nil, err
	}
	return []drillShot{
		{what: "the newest timestamp", url: base + drillTimestamp, body: newest, genuine: true},
		{what: "the update that it leads to", url: base + "targets/" + drillUpdate, body: updateBytes(0), genuine: true},
		{what: "the timestamp before it", url: base + drillTimestamp, body: state.Files[drillTimestamp], before: func() error { s.Set(state); return nil }},
	}, nil
}

const drillTimestamp = "metadata/timestamp.json"

func stageTimestampFreeze(r *drillRange) ([]drillShot, error) {
	s, base := r.repository(frozenRepository)
	return []drillShot{
		{what: "a timestamp that ended an hour ago", url: base + drillTimestamp, body: s.published()[drillTimestamp]},
		{what: "the update that it leads to", url: base + "targets/" + drillUpdate, body: updateBytes(0)},
	}, nil
}

func stageTargetSwap(r *drillRange) ([]drillShot, error) {
	s, base := r.repository(swappedRepository)
	state, err := underAttack(r.repositories[swappedRepository], "swapped-target")
	if err != nil {
		return nil, err
	}
	other := updateBytes(4)
	state.Files["targets/app-2.1.bin"] = other
	update := base + "targets/" + drillUpdate
	return []drillShot{
		{what: "the update as it is listed", url: update, body: updateBytes(0), genuine: true},
		{what: "another one under its name", url: update, body: state.Files["targets/"+drillUpdate], before: func() error { s.Set(state); return nil }},
		{what: "a file that nobody lists", url: base + "targets/app-2.1.bin", body: other},
	}, nil
}

func stageDetour(r *drillRange) ([]drillShot, error) {
	_, base := r.repository(detourRepository)
	return []drillShot{
		{what: "a release that its role lists itself", url: base + "targets/releases/own-1.0.bin", body: updateBytes(1), genuine: true},
		{what: "a tool that builds lists for the community", url: base + "targets/community/tool-1.0.bin", body: updateBytes(2), genuine: true},
		{what: "a release that builds lists by the community's key", url: base + "targets/releases/app-2.0.bin", body: updateBytes(3)},
	}, nil
}

func stageThresholdCut(r *drillRange) ([]drillShot, error) {
	s, base := r.repository(thresholdRepository)
	repo := r.repositories[thresholdRepository]
	repo.Root.Threshold, repo.Root.Signers = 1, repo.Root.Keys[:1]
	repo.Root.Change()
	files, err := repo.Publish()
	if err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	return []drillShot{
		{what: "the root", url: base + "metadata/1.root.json", body: repo.TrustedRoot(1), genuine: true},
		{what: "the update that it leads to", url: base + "targets/" + drillUpdate, body: updateBytes(0), genuine: true},
		{what: "a root that one key signed", url: base + "metadata/2.root.json", body: repo.TrustedRoot(2), before: func() error { s.Serve(files); return nil }},
	}, nil
}
