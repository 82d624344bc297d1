package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// statusInterval is the shortest time between two writes of a set's status.
const statusInterval = time.Second

// statuses counts the namespaces and policies of each set.
type statuses struct{ client.Client }

func setupStatus(mgr ctrl.Manager) error {
	edited := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("status").
		For(&PolicySet{}, edited).
		Watches(&networkingv1.NetworkPolicy{}, setOfPolicy(), edited).
		Complete(&statuses{mgr.GetClient()})
}

type requests = workqueue.TypedRateLimitingInterface[reconcile.Request]

// setOfPolicy enqueues the set of a policy after the interval, once for all policies that change in it.
func setOfPolicy() handler.EventHandler {
	enqueue := func(policy client.Object, queue requests) {
		set := types.NamespacedName{Name: policy.GetLabels()[setLabel]}
		queue.AddAfter(reconcile.Request{NamespacedName: set}, statusInterval)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue requests) { enqueue(e.Object, queue) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue requests) { enqueue(e.ObjectNew, queue) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue requests) { enqueue(e.Object, queue) },
	}
}

func (r *statuses) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var set PolicySet
	if err := r.Get(ctx, request.NamespacedName, &set); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	var policies networkingv1.NetworkPolicyList
	if err := r.List(ctx, &policies, client.MatchingLabels{setLabel: set.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	var list corev1.NamespaceList
	if err := r.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, err
	}
	status := PolicySetStatus{ObservedGeneration: set.Generation, Policies: len(policies.Items)}
	for i := range list.Items {
		if selected, err := set.selects(&list.Items[i]); err != nil {
			return ctrl.Result{}, err
		} else if selected {
			status.Namespaces++
		}
	}
	if status == set.Status {
		return ctrl.Result{}, nil
	}
	set.Status = status
	return ctrl.Result{}, r.Status().Update(ctx, &set)
}
