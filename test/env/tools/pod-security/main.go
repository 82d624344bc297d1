// Judges Pods by the Pod Security Standards, with the checks of the API server's own admission plugin in their latest
// versions. A Pod in JSON on each line of standard input; on standard output, for each, the ids of the checks that
// forbid it, as a JSON array.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	core "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	checks := policy.DefaultChecks()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for lines.Scan() {
		pod := &core.Pod{}
		if err := json.Unmarshal(lines.Bytes(), pod); err != nil {
			return err
		}
		forbidding := []string{}
		for _, check := range checks {
			latest := check.Versions[len(check.Versions)-1]
			if !latest.CheckPod(&pod.ObjectMeta, &pod.Spec).Allowed {
				forbidding = append(forbidding, string(check.ID))
			}
		}
		sort.Strings(forbidding)
		answer, err := json.Marshal(forbidding)
		if err != nil {
			return err
		}
		fmt.Fprintf(output, "%s\n", answer)
	}
	return lines.Err()
}
