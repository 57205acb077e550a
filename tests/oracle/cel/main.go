// SPDX-License-Identifier: Apache-2.0

// Asks Go's regexp package and cel-go, in the environment that kube-apiserver gives it, and records the answers for the unit tests of
// src/base/regex and src/cel. Only recording needs Go:
//
//	cd tests/oracle/cel && go run . regex > ../../unit/base/regex/regex_cases.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
)

func toJSON(v interface{}) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}

func main() {
	commands := map[string]func(){"regex": recordRegex}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: go run . regex")
		os.Exit(2)
	}
	commands[os.Args[1]]()
}
