// Command protobuf prints the schema of the Protocol Buffers messages of Kubernetes' own kinds as JSON.
//
// Numbers, names and types of the fields are those of the generated.proto files of k8s.io/api and k8s.io/apimachinery.
// The names in JSON, and which empty fields JSON omits, are in the tags of the Go types only. Both are read, and the
// command fails where they differ.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// kinds are the messages that are requested or sent by themselves, with those that lists and errors need.
var kinds = []any{
	coordinationv1.Lease{}, corev1.Namespace{}, corev1.Node{}, corev1.Pod{}, corev1.Service{},
	discoveryv1.EndpointSlice{}, networkingv1.NetworkPolicy{}, networkingv1.ServiceCIDR{},
	metav1.ListMeta{}, metav1.PartialObjectMetadata{}, metav1.Status{},
}

// scalars are the messages whose JSON is no object.
var scalars = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():        "time",
	reflect.TypeFor[metav1.MicroTime]():   "microTime",
	reflect.TypeFor[metav1.FieldsV1]():    "json",
	reflect.TypeFor[intstr.IntOrString](): "intOrString",
	reflect.TypeFor[resource.Quantity]():  "quantity",
}

// field is an array in JSON: number, name, type and flags.
type field struct {
	number     int
	name, kind string
	flags      string
}

func (f field) MarshalJSON() ([]byte, error) {
	if f.flags == "" {
		return json.Marshal([]any{f.number, f.name, f.kind})
	}
	return json.Marshal([]any{f.number, f.name, f.kind, f.flags})
}

var messages = map[string][]field{}

func main() {
	if len(os.Args) != 3 {
		fail("usage: protobuf FOLDER_OF_K8S_IO_API FOLDER_OF_K8S_IO_APIMACHINERY")
	}
	for _, kind := range kinds {
		add(reflect.TypeOf(kind))
	}
	names := make([]string, 0, len(messages))
	for name := range messages {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Println("{")
	for index, name := range names {
		text, err := json.Marshal(messages[name])
		check(err)
		comma := ","
		if index == len(names)-1 {
			comma = ""
		}
		fmt.Printf("%q: %s%s\n", name, text, comma)
	}
	fmt.Println("}")
}

// add adds a struct and the structs of its fields, and returns its name: "networking.v1.NetworkPolicy".
func add(of reflect.Type) string {
	name := nameOf(of)
	if _, known := messages[name]; known {
		return name
	}
	messages[name] = nil
	fields := []field{}
	for index := range of.NumField() {
		each := of.Field(index)
		if tag := each.Tag.Get("protobuf"); tag != "" {
			fields = append(fields, fieldOf(each, tag))
		}
	}
	sort.Slice(fields, func(a, b int) bool { return fields[a].number < fields[b].number })
	compare(of, fields)
	messages[name] = fields
	return name
}

// fieldOf reads a field. Flags: "p" pointer, "r" repeated, "m" map with text as keys, "o" omitted in JSON if it is empty,
// "i" fields of the message are fields of this object in JSON.
func fieldOf(of reflect.StructField, tag string) field {
	number, err := strconv.Atoi(strings.Split(tag, ",")[1])
	check(err)
	name, options, _ := strings.Cut(of.Tag.Get("json"), ",")
	result := field{number: number, name: name}
	if strings.Contains(options, "inline") || (name == "" && of.Anonymous) {
		result.flags = "i"
	}
	kind := of.Type
	switch {
	case kind.Kind() == reflect.Pointer:
		kind, result.flags = kind.Elem(), result.flags+"p"
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() != reflect.Uint8:
		kind, result.flags = kind.Elem(), result.flags+"r"
	case kind.Kind() == reflect.Map:
		if kind.Key().Kind() != reflect.String {
			fail("%s: keys of a map are no text", of.Name)
		}
		kind, result.flags = kind.Elem(), result.flags+"m"
	}
	result.kind = kindOf(kind)
	// encoding/json omits empty structs for omitzero only.
	isStruct := kind.Kind() == reflect.Struct && !strings.ContainsAny(result.flags, "prm")
	if strings.Contains(options, "omitzero") || (strings.Contains(options, "omitempty") && !isStruct) {
		result.flags += "o"
	}
	return result
}

func kindOf(of reflect.Type) string {
	if scalar, ok := scalars[of]; ok {
		return scalar
	}
	switch of.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64:
		return "int"
	case reflect.Slice:
		return "bytes"
	case reflect.Struct:
		return add(of)
	}
	fail("%s: no such kind of field is known", of)
	return ""
}

func nameOf(of reflect.Type) string {
	parts := strings.Split(of.PkgPath(), "/")
	return strings.Join(append(parts[len(parts)-2:], of.Name()), ".")
}

var protoField = regexp.MustCompile(`(?m)^  (optional|repeated|map<string, ([\w.]+)>) ?([\w.]*) (\w+) = (\d+);`)

// compare fails if the message of the .proto file has other fields.
func compare(of reflect.Type, fields []field) {
	text, err := os.ReadFile(filepath.Join(folderOf(of.PkgPath()), "generated.proto"))
	check(err)
	_, rest, found := strings.Cut(string(text), "\nmessage "+of.Name()+" {\n")
	if !found {
		fail("%s has no message %s", of.PkgPath(), of.Name())
	}
	body, _, _ := strings.Cut(rest, "\n}\n")
	declared := map[int][]string{}
	for _, match := range protoField.FindAllStringSubmatch(body, -1) {
		number, err := strconv.Atoi(match[5])
		check(err)
		declared[number] = match
	}
	if len(declared) != len(fields) {
		fail("%s: %d fields in Go, %d in the .proto file", of, len(fields), len(declared))
	}
	for _, each := range fields {
		match, ok := declared[each.number]
		if !ok {
			fail("%s: no field %d in the .proto file", of, each.number)
		}
		label, kind := match[1], match[3]
		if strings.HasPrefix(label, "map") {
			label, kind = "map", match[2]
		}
		if label != labelOf(each) || !isSameKind(kind, each.kind) || (each.name != "" && each.name != match[4]) {
			fail("%s: field %v is %v in the .proto file", of, each, match[1:])
		}
	}
}

func labelOf(f field) string {
	switch {
	case strings.Contains(f.flags, "r"):
		return "repeated"
	case strings.Contains(f.flags, "m"):
		return "map"
	}
	return "optional"
}

func isSameKind(proto, own string) bool {
	short := proto[strings.LastIndex(proto, ".")+1:]
	switch own {
	case "int":
		return proto == "int32" || proto == "int64"
	case "time":
		return short == "Time"
	case "microTime":
		return short == "MicroTime"
	case "json":
		return short == "FieldsV1"
	case "intOrString":
		return short == "IntOrString"
	case "quantity":
		return short == "Quantity"
	}
	return short == own[strings.LastIndex(own, ".")+1:]
}

// folderOf finds a package in the folders of the modules, which are the arguments: k8s.io/api, k8s.io/apimachinery.
func folderOf(path string) string {
	for index, module := range []string{"k8s.io/api", "k8s.io/apimachinery"} {
		if rest, found := strings.CutPrefix(path, module+"/"); found {
			return filepath.Join(os.Args[index+1], rest)
		}
	}
	fail("%s is in none of the modules", path)
	return ""
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
