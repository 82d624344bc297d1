// Prints the lifecycle of each kind of Kubernetes, as its types declare it: GROUP/VERSION KIND REMOVED_IN, by line.
package main

import (
	"fmt"

	"k8s.io/client-go/kubernetes/scheme"
)

type removed interface {
	APILifecycleRemoved() (major, minor int)
}

func main() {
	for gvk := range scheme.Scheme.AllKnownTypes() {
		object, err := scheme.Scheme.New(gvk)
		if err != nil {
			continue
		}
		if lifecycle, ok := object.(removed); ok {
			_, minor := lifecycle.APILifecycleRemoved()
			fmt.Printf("%s %s %d\n", gvk.GroupVersion(), gvk.Kind, minor)
		} else {
			fmt.Printf("%s %s stays\n", gvk.GroupVersion(), gvk.Kind)
		}
	}
}
