// Command cyclonus answers, for generated clusters, what independent code says about them:
//
//   - the API server's own defaulting and validation of NetworkPolicies (k8s.io/kubernetes),
//   - its label selectors (k8s.io/apimachinery) and its reading of CIDRs (k8s.io/utils/net),
//   - cyclonus' evaluation of the defaulted policies (github.com/mattfenwick/cyclonus/pkg/matcher).
//
// It reads one JSON case per line from standard input and writes one JSON answer per line, in order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/apis/networking"
	networkingdefaults "k8s.io/kubernetes/pkg/apis/networking/v1"
	"k8s.io/kubernetes/pkg/apis/networking/validation"
	netutils "k8s.io/utils/net"
)

type testCase struct {
	Namespaces []namespace                   `json:"namespaces"`
	Pods       []pod                         `json:"pods"`
	Policies   []*networkingv1.NetworkPolicy `json:"policies"`
	Flows      []flow                        `json:"flows"`
	Selectors  []selection                   `json:"selectors"`
	CIDRs      []membership                  `json:"cidrs"`
}

type namespace struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

type pod struct {
	Namespace   string                 `json:"namespace"`
	Labels      map[string]string      `json:"labels"`
	IPs         []string               `json:"ips"`
	Ports       []corev1.ContainerPort `json:"ports"`
	HostNetwork bool                   `json:"hostNetwork"`
}

// An endpoint is the pod of that index or, without one, the address.
type endpoint struct {
	Pod *int   `json:"pod"`
	IP  string `json:"ip"`
}

type flow struct {
	From     endpoint        `json:"from"`
	To       endpoint        `json:"to"`
	Port     int             `json:"port"`
	Protocol corev1.Protocol `json:"protocol"`
	Family   int             `json:"family"`
}

type selection struct {
	Selector metav1.LabelSelector `json:"selector"`
	Labels   map[string]string    `json:"labels"`
}

type membership struct {
	CIDR string `json:"cidr"`
	IP   string `json:"ip"`
}

type answer struct {
	// What the API server says against the policies; none is evaluated then.
	Invalid []string `json:"invalid,omitempty"`
	// What cyclonus panicked with.
	Panic     string       `json:"panic,omitempty"`
	Flows     []verdict    `json:"flows,omitempty"`
	Selectors []bool       `json:"selectors,omitempty"`
	CIDRs     []cidrAnswer `json:"cidrs,omitempty"`
}

type verdict struct {
	Egress  bool `json:"egress"`
	Ingress bool `json:"ingress"`
}

// Canonical is empty for a CIDR that does not parse.
type cidrAnswer struct {
	Canonical string `json:"canonical"`
	Contains  bool   `json:"contains"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var c testCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatalf("case is not JSON as expected: %v", err)
		}
		if err := encoder.Encode(answerTo(&c)); err != nil {
			log.Fatal(err)
		}
		if err := out.Flush(); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func answerTo(c *testCase) (result answer) {
	defer func() {
		if cause := recover(); cause != nil {
			result = answer{Panic: fmt.Sprint(cause)}
		}
	}()
	for _, policy := range c.Policies {
		result.Invalid = append(result.Invalid, admit(policy)...)
	}
	if len(result.Invalid) > 0 {
		return result
	}
	policies := matcher.BuildNetworkPolicies(false, c.Policies)
	for _, f := range c.Flows {
		result.Flows = append(result.Flows, judge(c, policies, &f))
	}
	for _, s := range c.Selectors {
		selector, err := metav1.LabelSelectorAsSelector(&s.Selector)
		if err != nil {
			panic(err)
		}
		result.Selectors = append(result.Selectors, selector.Matches(labels.Set(s.Labels)))
	}
	for _, m := range c.CIDRs {
		result.CIDRs = append(result.CIDRs, contains(m))
	}
	return result
}

// admit does to a policy what the API server does when it is created: it sets its defaults and validates it.
func admit(policy *networkingv1.NetworkPolicy) []string {
	networkingdefaults.SetObjectDefaults_NetworkPolicy(policy)
	var internal networking.NetworkPolicy
	if err := networkingdefaults.Convert_v1_NetworkPolicy_To_networking_NetworkPolicy(policy, &internal, nil); err != nil {
		return []string{err.Error()}
	}
	var messages []string
	options := validation.ValidationOptionsForNetworking(&internal, nil)
	for _, err := range validation.ValidateNetworkPolicy(&internal, options) {
		messages = append(messages, fmt.Sprintf("%s: %s", policy.Name, err))
	}
	return messages
}

// judge resolves the port's names on the destination, as cyclonus leaves that to its caller. Several container
// ports may share a number under different names: each name is a way in.
func judge(c *testCase, policies *matcher.Policy, f *flow) verdict {
	names := []string{""}
	if destination := podNetworkPod(c, f.To); destination != nil {
		for _, port := range destination.Ports {
			protocol := port.Protocol
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			if port.Name != "" && int(port.ContainerPort) == f.Port && protocol == f.Protocol {
				names = append(names, port.Name)
			}
		}
	}
	var result verdict
	for _, name := range names {
		allowed := policies.IsTrafficAllowed(&matcher.Traffic{
			Source:           peer(c, f.From, f.Family),
			Destination:      peer(c, f.To, f.Family),
			ResolvedPort:     f.Port,
			ResolvedPortName: name,
			Protocol:         f.Protocol,
		})
		result.Egress = result.Egress || allowed.Egress.IsAllowed()
		result.Ingress = result.Ingress || allowed.Ingress.IsAllowed()
	}
	return result
}

// podNetworkPod is nil for an address, and for a pod of the host network: cyclonus does not know those, so they
// are given to it as the address of their node.
func podNetworkPod(c *testCase, e endpoint) *pod {
	if e.Pod == nil || c.Pods[*e.Pod].HostNetwork {
		return nil
	}
	return &c.Pods[*e.Pod]
}

func peer(c *testCase, e endpoint, family int) *matcher.TrafficPeer {
	if e.Pod == nil {
		return &matcher.TrafficPeer{IP: e.IP}
	}
	result := &matcher.TrafficPeer{IP: addressOf(c.Pods[*e.Pod].IPs, family)}
	if p := podNetworkPod(c, e); p != nil {
		result.Internal = &matcher.InternalPeer{
			PodLabels:       p.Labels,
			NamespaceLabels: labelsOf(c.Namespaces, p.Namespace),
			Namespace:       p.Namespace,
		}
	}
	return result
}

func addressOf(ips []string, family int) string {
	for _, ip := range ips {
		if netutils.IsIPv6String(ip) == (family == 6) {
			return ip
		}
	}
	panic(fmt.Sprintf("no address of family %d in %v", family, ips))
}

func labelsOf(namespaces []namespace, name string) map[string]string {
	for _, ns := range namespaces {
		if ns.Name == name {
			return ns.Labels
		}
	}
	panic("no namespace " + name)
}

func contains(m membership) cidrAnswer {
	_, block, err := netutils.ParseCIDRSloppy(m.CIDR)
	if err != nil {
		return cidrAnswer{}
	}
	ip := netutils.ParseIPSloppy(m.IP)
	return cidrAnswer{Canonical: block.String(), Contains: ip != nil && block.Contains(ip)}
}
