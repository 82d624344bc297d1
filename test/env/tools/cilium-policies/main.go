// Judges flows by Cilium's own policy engine. A cluster in JSON on each line of standard input: pods, other ends such as
// nodes and hosts by their labels, policies, and flows between the ends. On standard output, for each, the verdicts of the flows in order and the policies that Cilium
// refuses, as a JSON object.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/cilium/cilium/pkg/identity"
	"github.com/cilium/cilium/pkg/identity/identitymanager"
	ipcache "github.com/cilium/cilium/pkg/ipcache/types"
	"github.com/cilium/cilium/pkg/k8s"
	cilium "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	networking "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/networking/v1"
	"github.com/cilium/cilium/pkg/labels"
	"github.com/cilium/cilium/pkg/option"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
	"github.com/cilium/cilium/pkg/policy/types"
	"github.com/cilium/cilium/pkg/policy/utils"
	"github.com/cilium/cilium/pkg/u8proto"
	cluster "sigs.k8s.io/network-policy-api/apis/v1alpha2"
)

type pod struct {
	Name, Namespace, ServiceAccount string
	Labels, NamespaceLabels         map[string]string
}

type flow struct {
	From, To, Protocol string
	Port               uint16
}

// An end that is no pod, with labels such as reserved:kube-apiserver.
type end struct {
	Name   string
	Labels []string
}

type input struct {
	Pods     []pod
	Ends     []end
	Policies []json.RawMessage
	Flows    []flow
}

type output struct {
	Verdicts []bool   `json:"verdicts"`
	Refused  []string `json:"refused"`
}

type noMetrics struct{}

func (noMetrics) AddRule(types.PolicyEntry) {}
func (noMetrics) DelRule(types.PolicyEntry) {}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	api.InitEntities("default")
	option.Config.EnableL7Proxy = true
	option.Config.EnableNonDefaultDenyPolicies = true
	option.Config.EnableNodeSelectorLabels = true
	option.Config.EnableIPv4, option.Config.EnableIPv6 = true, true
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	writer := bufio.NewWriter(os.Stdout)
	defer writer.Flush()
	for lines.Scan() {
		var in input
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			return err
		}
		out, err := judge(in)
		if err != nil {
			return err
		}
		answer, err := json.Marshal(out)
		if err != nil {
			return err
		}
		fmt.Fprintf(writer, "%s\n", answer)
	}
	return lines.Err()
}

func judge(in input) (output, error) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	out := output{Verdicts: []bool{}, Refused: []string{}}
	manager := identitymanager.NewIDManager(log)
	repository := policy.NewPolicyRepository(log, nil, nil, nil, manager, noMetrics{})
	identities := identitiesOf(in)
	all := identity.IdentityMap{}
	for _, each := range identities {
		all[each.ID] = each.LabelArray
	}
	wait := &sync.WaitGroup{}
	repository.GetSelectorCache().UpdateIdentities(all, nil, wait)
	repository.GetSubjectSelectorCache().UpdateIdentities(all, nil, wait)
	wait.Wait()
	for _, raw := range in.Policies {
		var meta struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := json.Unmarshal(raw, &meta); err != nil {
			return out, err
		}
		entries, err := entriesOf(log, meta.Kind, raw)
		if err != nil {
			out.Refused = append(out.Refused, meta.Metadata.Name)
			continue
		}
		id := ipcache.NewResourceID(ipcache.ResourceKind(meta.Kind), meta.Metadata.Namespace, meta.Metadata.Name)
		repository.ReplaceByResource(entries, id)
	}
	for _, each := range in.Flows {
		protocol, err := u8proto.ParseProtocol(strings.ToLower(each.Protocol))
		if err != nil {
			return out, err
		}
		from, to := identities[each.From], identities[each.To]
		if from == nil || to == nil {
			return out, fmt.Errorf("no %s or %s", each.From, each.To)
		}
		asked := types.Flow{From: from, To: to, Proto: protocol, Dport: each.Port}
		verdict, _, _, err := policy.LookupFlow(log, repository, manager, asked)
		if err != nil {
			return out, err
		}
		out.Verdicts = append(out.Verdicts, verdict.Allowed())
	}
	return out, nil
}

// The identities of pods by NAMESPACE/NAME.
func identitiesOf(in input) map[string]*identity.Identity {
	identities := map[string]*identity.Identity{}
	next := identity.NumericIdentity(1001)
	for _, each := range in.Pods {
		list := labels.LabelArray{
			labels.NewLabel("io.kubernetes.pod.namespace", each.Namespace, "k8s"),
			labels.NewLabel("io.cilium.k8s.policy.cluster", "default", "k8s"),
			labels.NewLabel("io.cilium.k8s.policy.serviceaccount", each.ServiceAccount, "k8s"),
		}
		for key, value := range each.Labels {
			list = append(list, labels.NewLabel(key, value, "k8s"))
		}
		for key, value := range each.NamespaceLabels {
			list = append(list, labels.NewLabel("io.cilium.k8s.namespace.labels."+key, value, "k8s"))
		}
		identities[each.Namespace+"/"+each.Name] = identity.NewIdentityFromLabelArray(next, list.Sort())
		next++
	}
	for _, each := range in.Ends {
		list := labels.ParseLabelArray(each.Labels...)
		identities[each.Name] = identity.NewIdentityFromLabelArray(next, list.Sort())
		next++
	}
	return identities
}

func entriesOf(log *slog.Logger, kind string, raw []byte) (types.PolicyEntries, error) {
	switch kind {
	case "NetworkPolicy":
		var object networking.NetworkPolicy
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		return k8s.ParseNetworkPolicy(log, "default", &object)
	case "ClusterNetworkPolicy":
		var object cluster.ClusterNetworkPolicy
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		return k8s.ParseClusterNetworkPolicy(log, "default", &object)
	default:
		var object cilium.CiliumNetworkPolicy
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		rules, err := object.Parse(log, "default")
		if err != nil {
			return nil, err
		}
		return utils.RulesToPolicyEntries(rules), nil
	}
}
