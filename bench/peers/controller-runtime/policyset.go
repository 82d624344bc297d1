package main

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "policy-sets"
	// setLabel names the PolicySet of a policy.
	setLabel = "bench.segmentation.dev/policy-set"
)

var groupVersion = schema.GroupVersion{Group: "bench.segmentation.dev", Version: "v1"}

// PolicySet selects namespaces, and lists the policies of each of them.
type PolicySet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              PolicySetSpec   `json:"spec"`
	Status            PolicySetStatus `json:"status,omitzero"`
}

type PolicySetSpec struct {
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	// Policies are created in their order.
	Policies []PolicyTemplate `json:"policies"`
}

type PolicyTemplate struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Spec has the API server's defaults.
	Spec networkingv1.NetworkPolicySpec `json:"spec"`
}

type PolicySetStatus struct {
	ObservedGeneration int64 `json:"observedGeneration"`
	Namespaces         int   `json:"namespaces"`
	Policies           int   `json:"policies"`
}

type PolicySetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []PolicySet `json:"items"`
}

func addPolicySets(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &PolicySet{}, &PolicySetList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}

// selects is true if the set's policies belong in the namespace.
func (s *PolicySet) selects(namespace *corev1.Namespace) (bool, error) {
	selector, err := metav1.LabelSelectorAsSelector(&s.Spec.NamespaceSelector)
	if err != nil {
		return false, err
	}
	return selector.Matches(labels.Set(namespace.Labels)), nil
}

// policy returns the template's policy for a namespace.
func (s *PolicySet) policy(template *PolicyTemplate, namespace string) *networkingv1.NetworkPolicy {
	own := map[string]string{managedByLabel: managedBy, setLabel: s.Name}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{
			Name:            template.Name,
			Namespace:       namespace,
			Labels:          labels.Merge(template.Labels, own),
			Annotations:     template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(s, groupVersion.WithKind("PolicySet"))},
		},
		Spec: template.Spec,
	}
}

func (s *PolicySet) DeepCopyObject() runtime.Object {
	copied := s.deepCopy()
	return &copied
}

func (s *PolicySet) deepCopy() PolicySet {
	copied := *s
	s.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	s.Spec.NamespaceSelector.DeepCopyInto(&copied.Spec.NamespaceSelector)
	copied.Spec.Policies = make([]PolicyTemplate, len(s.Spec.Policies))
	for i, template := range s.Spec.Policies {
		copied.Spec.Policies[i] = PolicyTemplate{
			Name:        template.Name,
			Labels:      labels.Merge(template.Labels, nil),
			Annotations: labels.Merge(template.Annotations, nil),
			Spec:        *template.Spec.DeepCopy(),
		}
	}
	return copied
}

func (l *PolicySetList) DeepCopyObject() runtime.Object {
	copied := *l
	l.ListMeta.DeepCopyInto(&copied.ListMeta)
	copied.Items = make([]PolicySet, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = l.Items[i].deepCopy()
	}
	return &copied
}
