package main

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// namespaces makes the policies of each namespace those of the sets that select it.
type namespaces struct{ client.Client }

func setupNamespaces(mgr ctrl.Manager, workers int) error {
	r := &namespaces{mgr.GetClient()}
	edited := predicate.GenerationChangedPredicate{}
	labelled := predicate.LabelChangedPredicate{}
	// A created policy is nearly always the controller's own.
	notCreated := predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }}
	return ctrl.NewControllerManagedBy(mgr).
		Named("namespaces").
		For(&corev1.Namespace{}, builder.WithPredicates(labelled)).
		Watches(&networkingv1.NetworkPolicy{}, handler.EnqueueRequestsFromMapFunc(namespaceOf),
			builder.WithPredicates(notCreated, predicate.Or[client.Object](edited, labelled))).
		Watches(&PolicySet{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(edited)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

func namespaceOf(_ context.Context, policy client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: policy.GetNamespace()}}}
}

// all returns a request for each namespace: an edited set may have selected any of them before.
func (r *namespaces) all(ctx context.Context, _ client.Object) []reconcile.Request {
	var list corev1.NamespaceList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list namespaces")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: list.Items[i].Name}})
	}
	return requests
}

func (r *namespaces) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var namespace corev1.Namespace
	if err := r.Get(ctx, request.NamespacedName, &namespace); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !namespace.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	desired, err := r.desired(ctx, &namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	var observed networkingv1.NetworkPolicyList
	if err := r.List(ctx, &observed, client.InNamespace(namespace.Name), client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.apply(ctx, desired, observed.Items)
}

// desired returns the policies of all sets that select the namespace, in the order of the sets.
func (r *namespaces) desired(ctx context.Context, namespace *corev1.Namespace) ([]*networkingv1.NetworkPolicy, error) {
	var sets PolicySetList
	if err := r.List(ctx, &sets, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var policies []*networkingv1.NetworkPolicy
	for i := range sets.Items {
		set := &sets.Items[i]
		if !set.DeletionTimestamp.IsZero() {
			continue
		}
		if selected, err := set.selects(namespace); err != nil {
			return nil, err
		} else if !selected {
			continue
		}
		for j := range set.Spec.Policies {
			policies = append(policies, set.policy(&set.Spec.Policies[j], namespace.Name))
		}
	}
	return policies, nil
}

// apply creates and updates the desired policies, and deletes all other observed ones. An error is retried: a cache
// that is behind makes a creation fail with AlreadyExists, and an update with Conflict.
func (r *namespaces) apply(
	ctx context.Context, desired []*networkingv1.NetworkPolicy, observed []networkingv1.NetworkPolicy,
) error {
	existing := make(map[string]*networkingv1.NetworkPolicy, len(observed))
	for i := range observed {
		existing[observed[i].Name] = &observed[i]
	}
	var failures []error
	for _, policy := range desired {
		known := existing[policy.Name]
		delete(existing, policy.Name)
		switch {
		case known == nil:
			failures = append(failures, r.Create(ctx, policy))
		case !equal(known, policy):
			policy.UID, policy.ResourceVersion = known.UID, known.ResourceVersion
			failures = append(failures, r.Update(ctx, policy))
		}
	}
	for _, policy := range existing {
		failures = append(failures, client.IgnoreNotFound(r.Delete(ctx, policy)))
	}
	return errors.Join(failures...)
}

func equal(observed, desired *networkingv1.NetworkPolicy) bool {
	return equality.Semantic.DeepEqual(observed.Spec, desired.Spec) &&
		equality.Semantic.DeepEqual(observed.Labels, desired.Labels) &&
		equality.Semantic.DeepEqual(observed.Annotations, desired.Annotations)
}
