// Command controller-runtime is the peer that the operator is compared with: an operator in Go on controller-runtime,
// as an experienced engineer would write it. It keeps the policies of each PolicySet in all selected namespaces.
//
// It does less than the operator: it does not look at pods, keeps no flow open while it changes several policies,
// resolves no peers, and reads nothing again before it deletes.
package main

import (
	"context"
	"flag"
	"os"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	workers := flag.Int("workers", 32, "namespaces that are reconciled at once")
	flag.Parse() // --kubeconfig is controller-runtime's own
	ctrl.SetLogger(zap.New())
	if err := run(ctrl.SetupSignalHandler(), *workers); err != nil {
		ctrl.Log.Error(err, "the peer ended")
		os.Exit(1)
	}
}

func run(ctx context.Context, workers int) error {
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// Only the API server's priority and fairness limits requests.
	config.QPS = -1
	mgr, err := ctrl.NewManager(config, manager.Options{
		Scheme:  newScheme(),
		Metrics: metricsserver.Options{BindAddress: "127.0.0.1:0"},
		Cache:   cacheOptions(),
	})
	if err != nil {
		return err
	}
	if err := setupNamespaces(mgr, workers); err != nil {
		return err
	}
	if err := setupStatus(mgr); err != nil {
		return err
	}
	if err := mgr.Add(reportCaches(mgr.GetCache())); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(networkingv1.AddToScheme(scheme))
	addPolicySets(scheme)
	return scheme
}

// cacheOptions keep the memory small: only own policies, and no managed fields.
func cacheOptions() cache.Options {
	own := labels.SelectorFromSet(labels.Set{managedByLabel: managedBy})
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject:         map[client.Object]cache.ByObject{&networkingv1.NetworkPolicy{}: {Label: own}},
	}
}

// reportCaches logs a line when all caches are filled, for which the benchmark waits.
func reportCaches(informers cache.Cache) manager.RunnableFunc {
	return func(ctx context.Context) error {
		for _, object := range []client.Object{&corev1.Namespace{}, &networkingv1.NetworkPolicy{}, &PolicySet{}} {
			if _, err := informers.GetInformer(ctx, object); err != nil {
				return err
			}
		}
		ctrl.Log.Info("caches filled")
		return nil
	}
}
