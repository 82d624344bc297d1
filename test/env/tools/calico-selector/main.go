// Calico's own parser of selectors. It reads one JSON case a line, and writes one JSON answer a line: if the parser
// takes the selector, and if it then selects labels.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"github.com/projectcalico/calico/libcalico-go/lib/selector"
)

type question struct {
	Selector string              `json:"selector"`
	Labels   []map[string]string `json:"labels"`
}

type answer struct {
	Valid   bool   `json:"valid"`
	Selects []bool `json:"selects"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		a := answer{Selects: []bool{}}
		if parsed, err := selector.Parse(q.Selector); err == nil {
			a.Valid = true
			for _, labels := range q.Labels {
				a.Selects = append(a.Selects, parsed.Evaluate(labels))
			}
		}
		if err := out.Encode(a); err != nil {
			panic(err)
		}
	}
}
