// SPDX-License-Identifier: Apache-2.0

// A peer to measure time-server by: the same page with the same promise, as one would write it in Go.
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

type counter struct {
	mutex   sync.Mutex
	path    string
	durable bool
	count   uint64
}

func (c *counter) add() (uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.durable {
		c.count++
		return c.count, nil
	}
	aside := c.path + ".tmp"
	file, err := os.Create(aside)
	if err != nil {
		return 0, err
	}
	_, err = file.WriteString(strconv.FormatUint(c.count+1, 10))
	if err == nil {
		err = file.Sync()
	}
	file.Close()
	if err == nil {
		err = os.Rename(aside, c.path)
	}
	if err != nil {
		return 0, err
	}
	folder, err := os.Open(filepath.Dir(c.path))
	if err != nil {
		return 0, err
	}
	defer folder.Close()
	if err = folder.Sync(); err != nil {
		return 0, err
	}
	c.count++
	return c.count, nil
}

func main() {
	c := &counter{path: os.Getenv("VISITS"), durable: os.Getenv("SYNC") != "never"}
	if text, err := os.ReadFile(c.path); err == nil {
		c.count, _ = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		n, err := c.add()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "%s UTC\nVisits: %d\n", time.Now().UTC().Format(time.RFC3339), n)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Getenv("LISTEN"), nil))
	os.Exit(1)
}
