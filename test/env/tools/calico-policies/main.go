// Calico's own calculation of policies, as Felix does it on a node, and a dataplane of rules and IP sets after it. It reads
// one JSON cluster a line, and writes one JSON answer a line: if each flow passes both of its ends.
//
// Selectors, namespaces, accounts, network sets, named ports, orders and NetworkPolicies are read by Calico's code. Only the
// comparison of a flow with the fields of a calculated rule is written here.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	apiv3 "github.com/projectcalico/api/pkg/apis/projectcalico/v3"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/projectcalico/calico/felix/calc"
	"github.com/projectcalico/calico/felix/config"
	"github.com/projectcalico/calico/felix/proto"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/api"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/k8s/conversion"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/model"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/syncersv1/updateprocessors"
	"github.com/projectcalico/calico/libcalico-go/lib/backend/watchersyncer"
)

const node = "node"

// Calico converts the identifiers of namespaces and accounts, and takes any.
const uid = "00000000-0000-4000-8000-000000000001"

type question struct {
	Namespaces []metav1.ObjectMeta `json:"namespaces"`
	Accounts   []metav1.ObjectMeta `json:"accounts"`
	Pods       []struct {
		metav1.ObjectMeta `json:",inline"`
		ServiceAccount    string                 `json:"serviceAccount"`
		IP                string                 `json:"ip"`
		Ports             []corev1.ContainerPort `json:"ports"`
	} `json:"pods"`
	Policies []json.RawMessage `json:"policies"`
	Flows    []struct {
		// NAMESPACE/NAME of a pod, or an address.
		From     string `json:"from"`
		To       string `json:"to"`
		Port     int32  `json:"port"`
		Protocol string `json:"protocol"`
	} `json:"flows"`
}

type answer struct {
	Verdicts []bool `json:"verdicts"`
}

func check[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	logrus.SetOutput(io.Discard)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(answer{Verdicts: judge(q)}); err != nil {
			panic(err)
		}
	}
}

func judge(q question) []bool {
	plane := newDataplane()
	ips := map[string]netip.Addr{}
	for _, namespace := range q.Namespaces {
		namespace.UID = uid
		plane.add(check(conversion.NewConverter().NamespaceToProfile(&corev1.Namespace{ObjectMeta: namespace})))
	}
	for _, account := range q.Accounts {
		account.UID = uid
		plane.add(check(conversion.NewConverter().ServiceAccountToProfile(&corev1.ServiceAccount{ObjectMeta: account})))
	}
	for _, each := range q.Pods {
		each.UID = uid
		pod := &corev1.Pod{
			ObjectMeta: each.ObjectMeta,
			Spec: corev1.PodSpec{
				NodeName:           node,
				ServiceAccountName: each.ServiceAccount,
				Containers:         []corev1.Container{{Name: "main", Ports: each.Ports}},
			},
			Status: corev1.PodStatus{
				Phase:  corev1.PodRunning,
				PodIP:  each.IP,
				PodIPs: []corev1.PodIP{{IP: each.IP}},
			},
		}
		ips[each.Namespace+"/"+each.Name] = netip.MustParseAddr(each.IP)
		for _, endpoint := range check(conversion.NewWorkloadEndpointConverter().PodToWorkloadEndpoints(pod)) {
			plane.add(endpoint)
		}
	}
	for _, policy := range q.Policies {
		plane.add(policyOf(policy))
	}
	plane.calculate()
	verdicts := []bool{}
	for _, each := range q.Flows {
		f := flow{from: addressOf(each.From, ips), to: addressOf(each.To, ips), port: each.Port, protocol: strings.ToLower(each.Protocol)}
		verdicts = append(verdicts, plane.allows(f, f.from, egress) && plane.allows(f, f.to, ingress))
	}
	return verdicts
}

func addressOf(end string, ips map[string]netip.Addr) netip.Addr {
	if ip, ok := ips[end]; ok {
		return ip
	}
	return netip.MustParseAddr(end)
}

// policyOf reads a policy or network set of Kubernetes or Calico.
func policyOf(raw json.RawMessage) *model.KVPair {
	var header metav1.PartialObjectMetadata
	if err := json.Unmarshal(raw, &header); err != nil {
		panic(err)
	}
	var value interface{}
	switch header.Kind {
	case "GlobalNetworkPolicy":
		value = apiv3.NewGlobalNetworkPolicy()
	case "NetworkSet":
		value = apiv3.NewNetworkSet()
	case "GlobalNetworkSet":
		value = apiv3.NewGlobalNetworkSet()
	default:
		if strings.HasPrefix(header.APIVersion, "networking.k8s.io/") {
			var policy networkingv1.NetworkPolicy
			if err := json.Unmarshal(raw, &policy); err != nil {
				panic(err)
			}
			return check(conversion.NewConverter().K8sNetworkPolicyToCalico(&policy))
		}
		value = apiv3.NewNetworkPolicy()
	}
	if err := json.Unmarshal(raw, value); err != nil {
		panic(err)
	}
	key := model.ResourceKey{Kind: header.Kind, Namespace: header.Namespace, Name: header.Name}
	return &model.KVPair{Key: key, Value: value}
}

type direction int

const (
	ingress direction = iota
	egress
)

type dataplane struct {
	graph      *calc.CalcGraph
	sequencer  *calc.EventSequencer
	processors map[string]watchersyncer.SyncerUpdateProcessor
	sets       map[string]map[string]bool
	policies   map[string]*proto.Policy
	profiles   map[string]*proto.Profile
	endpoints  map[netip.Addr]*proto.WorkloadEndpoint
}

func newDataplane() *dataplane {
	settings := config.New()
	settings.FelixHostname = node
	d := &dataplane{
		sequencer: calc.NewEventSequencer(settings),
		processors: map[string]watchersyncer.SyncerUpdateProcessor{
			apiv3.KindProfile:             updateprocessors.NewProfileUpdateProcessor(),
			apiv3.KindNetworkPolicy:       updateprocessors.NewNetworkPolicyUpdateProcessor(),
			apiv3.KindGlobalNetworkPolicy: updateprocessors.NewGlobalNetworkPolicyUpdateProcessor(),
			apiv3.KindNetworkSet:          updateprocessors.NewNetworkSetUpdateProcessor(),
			apiv3.KindGlobalNetworkSet:    updateprocessors.NewGlobalNetworkSetUpdateProcessor(),
			"WorkloadEndpoint":            updateprocessors.NewWorkloadEndpointUpdateProcessor(),
		},
		sets:      map[string]map[string]bool{},
		policies:  map[string]*proto.Policy{},
		profiles:  map[string]*proto.Profile{},
		endpoints: map[netip.Addr]*proto.WorkloadEndpoint{},
	}
	d.sequencer.Callback = d.take
	d.graph = calc.NewCalculationGraph(d.sequencer, settings, func() {})
	return d
}

// add gives an object to the calculation, converted as for Felix.
func (d *dataplane) add(object *model.KVPair) {
	key := object.Key.(model.ResourceKey)
	for _, pair := range check(d.processors[key.Kind].Process(object)) {
		if pair.Value != nil {
			d.graph.OnUpdates([]api.Update{{KVPair: *pair, UpdateType: api.UpdateTypeKVNew}})
		}
	}
}

func (d *dataplane) calculate() {
	d.graph.OnStatusUpdated(api.InSync)
	d.graph.Flush()
	d.sequencer.Flush()
}

// take keeps what Felix would give to its dataplane.
func (d *dataplane) take(message interface{}) {
	switch m := message.(type) {
	case *proto.IPSetUpdate:
		d.sets[m.Id] = map[string]bool{}
		for _, member := range m.Members {
			d.sets[m.Id][member] = true
		}
	case *proto.IPSetDeltaUpdate:
		for _, member := range m.AddedMembers {
			d.sets[m.Id][member] = true
		}
		for _, member := range m.RemovedMembers {
			delete(d.sets[m.Id], member)
		}
	case *proto.ActivePolicyUpdate:
		d.policies[m.Id.Name] = m.Policy
	case *proto.ActiveProfileUpdate:
		d.profiles[m.Id.Name] = m.Profile
	case *proto.WorkloadEndpointUpdate:
		for _, text := range m.Endpoint.Ipv4Nets {
			d.endpoints[netip.MustParsePrefix(text).Addr()] = m.Endpoint
		}
	}
}

type flow struct {
	from, to netip.Addr
	port     int32
	// tcp, udp or sctp
	protocol string
}

// allows asks the policies of an end; an address that is no pod has none.
func (d *dataplane) allows(f flow, end netip.Addr, way direction) bool {
	endpoint, ok := d.endpoints[end]
	if !ok {
		return true
	}
	for _, tier := range endpoint.Tiers {
		names := tier.IngressPolicies
		if way == egress {
			names = tier.EgressPolicies
		}
		if len(names) == 0 {
			continue
		}
		action := ""
		for _, name := range names {
			policy := d.policies[name]
			if action = d.decision(rulesOf(policy.InboundRules, policy.OutboundRules, way), f); action != "" {
				break
			}
		}
		if action != "pass" {
			return action == "allow"
		}
	}
	for _, name := range endpoint.ProfileIds {
		profile, ok := d.profiles[name]
		if !ok {
			continue
		}
		if action := d.decision(rulesOf(profile.InboundRules, profile.OutboundRules, way), f); action != "" {
			return action == "allow"
		}
	}
	return false
}

func rulesOf(inbound, outbound []*proto.Rule, way direction) []*proto.Rule {
	if way == ingress {
		return inbound
	}
	return outbound
}

// decision is the action of the first rule that matches, or empty.
func (d *dataplane) decision(rules []*proto.Rule, f flow) string {
	for _, rule := range rules {
		if rule.Action == "log" || !d.matches(rule, f) {
			continue
		}
		if rule.Action == "next-tier" || rule.Action == "pass" {
			return "pass"
		}
		return rule.Action
	}
	return ""
}

func (d *dataplane) matches(r *proto.Rule, f flow) bool {
	return (r.IpVersion == proto.IPVersion_ANY || (r.IpVersion == proto.IPVersion_IPV4) == f.to.Is4()) &&
		(r.Protocol == nil || isProtocol(r.Protocol, f.protocol)) &&
		(r.NotProtocol == nil || !isProtocol(r.NotProtocol, f.protocol)) &&
		r.Icmp == nil &&
		(len(r.SrcNet) == 0 || contains(r.SrcNet, f.from)) && !contains(r.NotSrcNet, f.from) &&
		(len(r.DstNet) == 0 || contains(r.DstNet, f.to)) && !contains(r.NotDstNet, f.to) &&
		d.inAll(r.SrcIpSetIds, f.from) && !d.inAny(r.NotSrcIpSetIds, f.from) &&
		d.inAll(r.DstIpSetIds, f.to) && !d.inAny(r.NotDstIpSetIds, f.to) &&
		d.hasPorts(r.DstPorts, r.DstNamedPortIpSetIds, f) &&
		!(len(r.NotDstPorts)+len(r.NotDstNamedPortIpSetIds) > 0 && d.hasPorts(r.NotDstPorts, r.NotDstNamedPortIpSetIds, f)) &&
		len(r.SrcPorts)+len(r.SrcNamedPortIpSetIds) == 0
}

var numbers = map[string]int32{"tcp": 6, "udp": 17, "sctp": 132}

func isProtocol(p *proto.Protocol, name string) bool {
	if number := p.GetNumber(); number != 0 {
		return number == numbers[name]
	}
	return strings.EqualFold(p.GetName(), name)
}

func contains(nets []string, ip netip.Addr) bool {
	for _, net := range nets {
		if netip.MustParsePrefix(net).Contains(ip) {
			return true
		}
	}
	return false
}

func (d *dataplane) in(id string, ip netip.Addr) bool {
	for member := range d.sets[id] {
		prefix, err := netip.ParsePrefix(member)
		if err != nil {
			prefix = netip.PrefixFrom(netip.MustParseAddr(member), netip.MustParseAddr(member).BitLen())
		}
		if prefix.Contains(ip) {
			return true
		}
	}
	return false
}

func (d *dataplane) inAll(ids []string, ip netip.Addr) bool {
	for _, id := range ids {
		if !d.in(id, ip) {
			return false
		}
	}
	return true
}

func (d *dataplane) inAny(ids []string, ip netip.Addr) bool {
	for _, id := range ids {
		if d.in(id, ip) {
			return true
		}
	}
	return false
}

// hasPorts is true if a range or a set of named ports has the port of the destination, or there is neither.
func (d *dataplane) hasPorts(ranges []*proto.PortRange, sets []string, f flow) bool {
	if len(ranges)+len(sets) == 0 {
		return true
	}
	for _, each := range ranges {
		if each.First <= f.port && f.port <= each.Last {
			return true
		}
	}
	for _, id := range sets {
		if d.sets[id][fmt.Sprintf("%s,%s:%d", f.to, f.protocol, f.port)] {
			return true
		}
	}
	return false
}
