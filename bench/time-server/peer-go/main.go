// SPDX-License-Identifier: Apache-2.0

// A peer to measure time-server by: the same page with the same promise, as one would write it in Go.
//
//	VISITS=FILE LISTEN=ADDR:PORT [SYNC=never] peer-go
//
// The count is overwritten in place and synced before it is told, which is the least that can be done: a reader in
// between, or a power cut when the number grows by a digit, is not thought of here. With SYNC=never it is kept in memory
// and written once a second.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type counter struct {
	mutex sync.Mutex
	file  *os.File
	count atomic.Uint64
}

func open(path string) (*counter, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	c := &counter{file: file}
	text := make([]byte, 32)
	if n, _ := file.ReadAt(text, 0); n > 0 {
		count, err := strconv.ParseUint(string(text[:n]), 10, 64)
		if err != nil {
			return nil, err
		}
		c.count.Store(count)
	}
	return c, nil
}

func (c *counter) write(count uint64) error {
	_, err := c.file.WriteAt(strconv.AppendUint(nil, count, 10), 0)
	return err
}

func (c *counter) addDurably() (uint64, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	count := c.count.Load() + 1
	if err := c.write(count); err != nil {
		return 0, err
	}
	if err := syscall.Fdatasync(int(c.file.Fd())); err != nil {
		return 0, err
	}
	c.count.Store(count)
	return count, nil
}

func (c *counter) add() (uint64, error) {
	return c.count.Add(1), nil
}

func (c *counter) writeEverySecond() {
	for range time.Tick(time.Second) {
		if err := c.write(c.count.Load()); err != nil {
			log.Print(err)
		}
	}
}

func main() {
	c, err := open(os.Getenv("VISITS"))
	if err != nil {
		log.Fatal(err)
	}
	add := c.addDurably
	if os.Getenv("SYNC") == "never" {
		add = c.add
		go c.writeEverySecond()
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		n, err := add()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s UTC\nVisits: %d\n", time.Now().UTC().Format(time.RFC3339), n)
	})
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}
