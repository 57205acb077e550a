// SPDX-License-Identifier: Apache-2.0

// Writes src/base/regex/unicode_data.c: the categories, scripts and case folding of the Unicode version that Go's regexp package
// uses, so that \p{Greek} and (?i) match the same characters here as in kube-apiserver.
//
//	go run tools/unicode_tables/main.go > src/base/regex/unicode_data.c
//
// A table is a text of numbers. Each number is written in groups of five bits, the lowest first, one character for each group: the
// character's code is 48 plus the five bits, plus 32 where another group follows. The backslash is replaced by '!'. A
// set of characters is a sequence of pairs: the distance to the begin of the next range from the end of the last one, and the number of
// characters in the range less one. The folding is a sequence of runs of four numbers: the distance to the first character from that of the
// last run, the number of characters less one, the stride between them, and the signed distance to what each of them folds to.
package main

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
)

func number(b *strings.Builder, v int) {
	for {
		c := v & 31
		v >>= 5
		if v > 0 {
			c += 32
		}
		ch := byte(48 + c)
		if ch == '\\' {
			ch = '!'
		}
		b.WriteByte(ch)
		if v == 0 {
			return
		}
	}
}

func ranges(t *unicode.RangeTable) string {
	var b strings.Builder
	last, lo, hi := 0, -1, -1
	flush := func() {
		if lo >= 0 {
			number(&b, lo-last)
			number(&b, hi-lo)
			last = hi + 1
		}
	}
	add := func(c int) {
		if lo >= 0 && c == hi+1 {
			hi = c
			return
		}
		flush()
		lo, hi = c, c
	}
	for _, r := range t.R16 {
		for c := int(r.Lo); c <= int(r.Hi); c += int(r.Stride) {
			add(c)
		}
	}
	for _, r := range t.R32 {
		for c := int(r.Lo); c <= int(r.Hi); c += int(r.Stride) {
			add(c)
		}
	}
	flush()
	return b.String()
}

func folding() string {
	var from, delta []int
	for c := 0; c <= unicode.MaxRune; c++ {
		if f := int(unicode.SimpleFold(rune(c))); f != c {
			from, delta = append(from, c), append(delta, f-c)
		}
	}
	var b strings.Builder
	last := 0
	for i := 0; i < len(from); {
		n, stride := 1, 1
		if i+1 < len(from) && delta[i+1] == delta[i] {
			stride = from[i+1] - from[i]
			for i+n < len(from) && delta[i+n] == delta[i] && from[i+n]-from[i+n-1] == stride {
				n++
			}
		}
		number(&b, from[i]-last)
		number(&b, n-1)
		number(&b, stride)
		if delta[i] < 0 {
			number(&b, -delta[i]*2-1)
		} else {
			number(&b, delta[i]*2)
		}
		last = from[i]
		i += n
	}
	return b.String()
}

func text(name, s string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    {\"%s\",", name)
	if len(s) > 60 {
		b.WriteString("\n     ")
	} else {
		b.WriteString(" ")
	}
	for {
		n := min(len(s), 90)
		fmt.Fprintf(&b, "%q", s[:n])
		s = s[n:]
		if s == "" {
			break
		}
		b.WriteString("\n     ")
	}
	b.WriteString("},\n")
	return b.String()
}

func canonical(name string) string {
	name = strings.NewReplacer("_", "", "-", "", " ", "").Replace(name)
	return strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
}

func main() {
	sets := map[string]string{}
	for n, t := range unicode.Scripts {
		if canonical(n) == n || !strings.Contains(n, "_") {
			sets[n] = ranges(t)
		}
	}
	for n, t := range unicode.Categories {
		if n == "LC" {
			n = "Lc"
		}
		sets[n] = ranges(t)
	}
	aliases := map[string]string{}
	for n, to := range unicode.CategoryAliases {
		if sets[canonical(n)] == "" {
			if to == "LC" {
				to = "Lc"
			}
			aliases[canonical(n)] = to
		}
	}
	names := func(m map[string]string) []string {
		var v []string
		for n := range m {
			v = append(v, n)
		}
		sort.Strings(v)
		return v
	}
	fmt.Printf("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by tools/unicode_tables/main.go, which describes the format, from Unicode %s. */\n", unicode.Version)
	fmt.Printf("#include \"base/regex/internal.h\"\n\n/* clang-format off */\nconst UnicodeText unicode_sets[] = {\n")
	for _, n := range names(sets) {
		fmt.Print(text(n, sets[n]))
	}
	fmt.Printf("};\nconst size_t unicode_sets_n = ARRAY_LEN(unicode_sets);\n\nconst UnicodeText unicode_aliases[] = {\n")
	for _, n := range names(aliases) {
		fmt.Print(text(n, aliases[n]))
	}
	fmt.Printf("};\nconst size_t unicode_aliases_n = ARRAY_LEN(unicode_aliases);\n\nconst UnicodeText unicode_folding =\n%s;\n/* clang-format on */\n",
		strings.TrimSuffix(strings.TrimSuffix(text("folding", folding()), "\n"), ","))
}
