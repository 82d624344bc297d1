// Command manifests decodes texts as kubectl does: the byte order mark, the split into documents, and YAML or JSON by
// the libraries that kubectl itself is built from (k8s.io/apimachinery and, through it, sigs.k8s.io/yaml).
//
// It reads one JSON string per line from standard input, the text in base64, and writes one JSON answer per line, in
// order: the documents that are not empty, and the error that ended the stream, if any.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type answer struct {
	Documents []json.RawMessage `json:"documents"`
	Error     string            `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var text []byte
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			log.Fatalf("not a text in base64: %v", err)
		}
		if err := encoder.Encode(decode(text)); err != nil {
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

// decode reads a stream as FileVisitor and StreamVisitor of k8s.io/cli-runtime do.
func decode(text []byte) answer {
	result := answer{Documents: []json.RawMessage{}}
	utf16 := unicode.BOMOverride(unicode.UTF8.NewDecoder())
	decoder := yaml.NewYAMLOrJSONDecoder(transform.NewReader(bytes.NewReader(text), utf16), 4096)
	for {
		var document runtime.RawExtension
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return result
		}
		if err != nil {
			result.Error = err.Error()
			return result
		}
		raw := bytes.TrimSpace(document.Raw)
		if len(raw) > 0 && !bytes.Equal(raw, []byte("null")) {
			result.Documents = append(result.Documents, raw)
		}
	}
}
