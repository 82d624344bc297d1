package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"strconv"
)

// connection is an HTTP/1.1 connection with at most one request under way.
type connection struct {
	socket *tls.Conn
	answer *bufio.Reader
}

func dial(address string, config *tls.Config) (*connection, error) {
	socket, err := tls.Dial("tcp", address, config)
	if err != nil {
		return nil, err
	}
	return &connection{socket: socket, answer: bufio.NewReaderSize(socket, 1<<14)}, nil
}

func (c *connection) close() { _ = c.socket.Close() }

// send writes a request, and reads its answer to the end. Any status but 2xx is an error.
func (c *connection) send(request []byte) error {
	if _, err := c.socket.Write(request); err != nil {
		return err
	}
	status, length, err := c.head()
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		message, _ := io.ReadAll(io.LimitReader(c.answer, int64(length)))
		return fmt.Errorf("status %d: %s", status, message)
	}
	_, err = c.answer.Discard(length)
	return err
}

// head reads the status and the length of the body. The API server gives the length of all answers to writes.
func (c *connection) head() (status, length int, err error) {
	line, err := c.answer.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	// HTTP/1.1 201 Created
	fields := bytes.SplitN(line, []byte(" "), 3)
	if len(fields) < 3 {
		return 0, 0, fmt.Errorf("no status line: %q", line)
	}
	if status, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, 0, err
	}
	length = -1
	for {
		if line, err = c.answer.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		name, value, isField := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		if !isField {
			break
		}
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, 0, err
			}
		}
	}
	if length < 0 {
		return 0, 0, fmt.Errorf("the answer with status %d has no Content-Length", status)
	}
	return status, length, nil
}
