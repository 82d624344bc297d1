// Command raw-writer measures the limit of an API server. It sends requests that are serialised beforehand over
// connections that stay open, a given number at a time, and reads nothing of the answers but status and length.
//
// Standard input has JSON values: one target, then phases. Each phase is answered with one JSON value on standard output.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// target is the API server, and the policies of each namespace.
type target struct {
	// Address is host:port.
	Address string `json:"address"`
	// CA is the certificate authority in PEM.
	CA    string `json:"ca"`
	Token string `json:"token"`
	// Created are the policies of POST requests, without a namespace.
	Created []networkingv1.NetworkPolicy `json:"created"`
	// Updated are the policies of PUT requests, which have the same names.
	Updated []networkingv1.NetworkPolicy `json:"updated"`
}

// phase writes all policies of the target to each of the namespaces.
type phase struct {
	// Method is POST or PUT.
	Method string `json:"method"`
	// Encoding is json or protobuf.
	Encoding   string   `json:"encoding"`
	InFlight   int      `json:"inFlight"`
	Namespaces []string `json:"namespaces"`
}

type result struct {
	Requests   int     `json:"requests"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("raw-writer: ")
	if err := serve(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func serve(in io.Reader, out io.Writer) error {
	input, output := json.NewDecoder(in), json.NewEncoder(out)
	var to target
	if err := input.Decode(&to); err != nil {
		return fmt.Errorf("read the target: %w", err)
	}
	for {
		var next phase
		if err := input.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a phase: %w", err)
		}
		measured, err := to.measure(next)
		if err != nil {
			return fmt.Errorf("%s %s with %d in flight: %w", next.Encoding, next.Method, next.InFlight, err)
		}
		if err := output.Encode(measured); err != nil {
			return err
		}
	}
}

// measure opens the connections and serialises the requests before it starts the clock.
func (t target) measure(p phase) (result, error) {
	policies := t.Created
	if p.Method == "PUT" {
		policies = t.Updated
	}
	requests := make([][]byte, 0, len(p.Namespaces)*len(policies))
	for i := range policies {
		body, contentType, err := serialise(&policies[i], p.Encoding)
		if err != nil {
			return result{}, err
		}
		for _, namespace := range p.Namespaces {
			requests = append(requests, t.request(p.Method, namespace, policies[i].Name, contentType, body))
		}
	}
	connections, err := t.dial(p.InFlight)
	if err != nil {
		return result{}, err
	}
	defer func() {
		for _, each := range connections {
			each.close()
		}
	}()
	cpu, started := cpuSeconds(), time.Now()
	err = sendAll(connections, requests)
	return result{
		Requests:   len(requests),
		Seconds:    time.Since(started).Seconds(),
		CPUSeconds: cpuSeconds() - cpu,
	}, err
}

func (t target) dial(count int) ([]*connection, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(t.CA)) {
		return nil, errors.New("the target has no CA certificate")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	connections := make([]*connection, 0, count)
	for range count {
		opened, err := dial(t.Address, config)
		if err != nil {
			return nil, err
		}
		connections = append(connections, opened)
	}
	return connections, nil
}

// request returns the bytes of a request, head and body.
func (t target) request(method, namespace, name, contentType string, body []byte) []byte {
	path := "/apis/networking.k8s.io/v1/namespaces/" + namespace + "/networkpolicies"
	if method == "PUT" {
		path += "/" + name
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", method, path, t.Address, t.Token)
	fmt.Fprintf(&text, "Accept: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", contentType, contentType, len(body))
	text.Write(body)
	return text.Bytes()
}

// sendAll gives each connection the next request as soon as it is free.
func sendAll(connections []*connection, requests [][]byte) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	failures := make([]error, len(connections))
	for i, each := range connections {
		workers.Go(func() {
			for failures[i] == nil {
				index := int(next.Add(1)) - 1
				if index >= len(requests) {
					return
				}
				failures[i] = each.send(requests[index])
			}
		})
	}
	workers.Wait()
	return errors.Join(failures...)
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := networkingv1.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}()

// serialise returns the policy in the encoding, and its content type.
func serialise(policy *networkingv1.NetworkPolicy, encoding string) ([]byte, string, error) {
	switch encoding {
	case "json":
		body, err := json.Marshal(policy)
		return body, runtime.ContentTypeJSON, err
	case "protobuf":
		var body bytes.Buffer
		err := protobuf.NewSerializer(scheme, scheme).Encode(policy, &body)
		return body.Bytes(), runtime.ContentTypeProtobuf, err
	}
	return nil, "", fmt.Errorf("no encoding %q: it is json or protobuf", encoding)
}

// cpuSeconds is the CPU time, user and system, of this process.
func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
