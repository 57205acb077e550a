// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand"
	"regexp"
	"strings"
)

// What Go's regexp package says of an expression: its error, or for each text where the first match lies.
type regexCase struct {
	Pattern string        `json:"pattern"`
	Error   string        `json:"error,omitempty"`
	Texts   []interface{} `json:"texts,omitempty"` // text, begin, end; -1 where nothing matches
}

var regexPatterns = []string{
	``, `a`, `abc`, `^$`, `^a*$`, `a|b`, `ab|cd`, `(a|ab)(c|bcd)(d*)`, `a+?b`, `(a+)(b+)?`, `(|a)*`, `(|a)+`, `(a|)*b`, `(a*)*`, `(a*)+`, `(a*?)*`, `x{2}`, `x{2,}`,
	`x{2,4}`, `x{0}`, `x{0,1}y`, `x{,2}`, `x{`, `x{a}`, `x{1001}`, `x{2,1}`, `(x{100}){11}`, `(x{10}){100}`, `(x{10}){101}`, `x{01}`, `x**`, `x*?`, `x*??`, `x+*`, `x?{2}`, `*a`, `(*a)`, `a|*`, `(`, `)`, `a)`, `(a`, `((a)`,
	`[`, `[a`, `[]a]`, `[^]a]`, `[a-]`, `[-a]`, `[b-a]`, `[a-c-e]`, `[[:alpha:]]`, `[[:^alpha:]]`, `[[:nope:]]`, `[[:alpha]`, `[\d\s]`, `[^\w]`, `[\D]`, `\d+`, `\D`, `\s`, `\S+`, `\w+`, `\W`, `\bfoo\b`, `\Bo`, `\Aa`, `a\z`, `a\Z`,
	`\x41`, `\x{41}`, `\x{}`, `\x4`, `\x`, `\x{110000}`, `\x{1F600}`, `\101`, `\1`, `\08`, `\0`, `\7`, `\q`, `\_`, `\-`, `\é`, `\`, `a\`, `\C`, `\Qa.b*\E+`, `\Q`, `\Qab`, `\Q\E*`, `\a\f\n\r\t\v`, `\pL`, `\pN+`, `\p{Greek}+`, `\P{Greek}`, `\p{^Greek}`, `\P{^Lu}`, `\p{Nope}`, `\p{`, `\p`, `\p{Lu}\p{Ll}`,
	`(?i)\p{Lu}`, `(?i)\P{Lu}`, `\p{Any}`, `\p{ASCII}`, `\p{Assigned}`, `\p{Letter}`, `\p{letter}`, `\p{Uppercase_Letter}`, `\p{uppercase letter}`, `\p{LC}`, `\p{L_C}`, `[\p{Lu}\d]`, `[^\p{Lu}]`, `[\pX]`, `(?i)abc`, `(?i)K`, `(?i)ſ`, `(?i)[k-l]`, `(?i)[^k]`, `(?i)Σ`, `(?i)ǆ`, `(?i:a)b`, `a(?i)b|c`, `(a(?i)b)c`, `(?-i)a`, `(?i-s)a.`, `(?s).`, `.`, `(?s).+`, `(?m)^a$`, `(?m)^`, `(?m)$`, `(?U)a+`, `(?U)a+?`,
	`(?P<n>a)`, `(?<n>a)`, `(?P<n`, `(?P<n-x>a)`, `(?P<>a)`, `(?P=n)`, `(?=a)`, `(?!a)`, `(?<=a)`, `(?>a)`, `(?#a)`, `(?z)`, `(?i`, `(?`, `(?-)`, `(?i-)`, `(?i--s)`, `(?:a|b)+c`, `(?:)`, `(?:)*`, `()*`, `^*`, `$*`, `\b*`, `^^`, `$a`, `a^b`, `(^a|b)`, `^a|^b`, `(^|x)a`, `a($|b)`, `^(a|b)*$`,
	`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`, `^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`, `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, `^([0-9]{1,3}\.){3}[0-9]{1,3}(/[0-9]{1,2})?$`, `^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$`,
	`^https?://[^\s/$.?#].[^\s]*$`, `^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`, `^.{1,63}$`, `^[^/]+$`, `(a?){20}a{20}`, `(a*)*b`, `(x+x+)+y`, `^(([a-z])+.)+[A-Z]([a-z])+$`, `日本`, `[日本]+`, `.日`, `\x{65e5}`, `[^日]`, "a\xff", "\xff", "[\xff]", "(?i)\xff", `\pé`, `a.c`, `(?i)straße`, `\b`, `\B`, `(a|b|c|d|e)*f`, `[a-zA-Z_][a-zA-Z0-9_]*`, `(foo|foobar)(bar)?`, `a{0,2}?b`, `a{2}?`, `(ab){2,3}?c`, `\.`, `[.]`, `[\]]`, `[\^]`, `[a^]`, `[\-a]`, `[a\-z]`, `[\x00-\x7f]`, `[^\x00-\x7f]`, `[\n]`, `{`, `}`, `]`, `{}`, `a{}`, `a{1`, `a{1,`, `a{1,2`, `a{99999999999}`, `(?i)[a-\x{1e944}]`, `(?P<a>x)(?P<a>y)`,
}

var regexTexts = []string{"", "a", "b", "ab", "abc", "abcd", "aab", "aaa", "xx", "xxxx", "xxxxxxxxxx", "foo", "foo bar", "oo", "Foo", "K", "k", "\u212a", "s", "S", "ſ", "Σ", "σ", "ς", "ǅ", "é", "É", "日本", "a\nb", "\n", "\na\n", "A", "1", "12.5", "_", "-", ".", "a.b*", "a-b", "web-0.nginx", "web_0", "10.0.0.1/8", "1h30m", "1Gi", "https://a.b/c", "QUJD", "]", "[", "^", "{", "}", "a{1", "x{a}", "a\\", "αβγ", "Αβ", "\u00ad", "\U0001F600", "\xff", "a\xffb", "\t ", "foobar", "ababc", "𐐀", "ß", "ẞ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "xy", "yx", "0", "\a\f\n\r\t\v", "ab|cd", "STRASSE"}

func randomPattern(r *rand.Rand, depth int) string {
	atoms := []string{"a", "b", "c", ".", "[ab]", "[^a]", "^", "$", `\b`, `\B`, `\d`, `\w`, `\pL`, "é", "[a-c]", "(?i)a", "", "x", `\z`, "[[:alpha:]]"}
	switch n := r.Intn(12); {
	case depth <= 0 || n < 4:
		return atoms[r.Intn(len(atoms))]
	case n < 7:
		return randomPattern(r, depth-1) + randomPattern(r, depth-1)
	case n < 8:
		return randomPattern(r, depth-1) + "|" + randomPattern(r, depth-1)
	case n < 10:
		groups := []string{"(", "(?:", "(?i:", "(?s:", "(?m:", "(?U:", "(?P<x>"}
		return groups[r.Intn(len(groups))] + randomPattern(r, depth-1) + ")"
	default:
		ops := []string{"*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{0,2}", "{2,}", "{1,2}?", "{0}"}
		return "(" + randomPattern(r, depth-1) + ")" + ops[r.Intn(len(ops))]
	}
}

func randomText(r *rand.Rand) string {
	letters := []string{"a", "b", "c", "a", "b", "é", "\n", "1", "A", "x", " ", "_"}
	var b strings.Builder
	for n := r.Intn(9); n > 0; n-- {
		b.WriteString(letters[r.Intn(len(letters))])
	}
	return b.String()
}

func askRegex(pattern string, texts []string) regexCase {
	c := regexCase{Pattern: pattern}
	re, err := regexp.Compile(pattern)
	if err != nil {
		c.Error = err.Error()
		return c
	}
	for _, t := range texts {
		at := re.FindStringIndex(t)
		if at == nil {
			at = []int{-1, -1}
		}
		c.Texts = append(c.Texts, t, at[0], at[1])
	}
	return c
}

// JSON cannot carry bytes that are no UTF-8, so they are written as U+F7xx, which no case uses otherwise.
func escapeBytes(s string) string {
	var b strings.Builder
	for i, c := range s {
		if c == 0xfffd && s[i] != 0xef {
			c = 0xf700 + rune(s[i])
		}
		b.WriteRune(c)
	}
	return b.String()
}

func recordRegex() {
	r := rand.New(rand.NewSource(1))
	var cases []regexCase
	for i, p := range regexPatterns {
		var some []string
		for k, t := range regexTexts {
			if len(t) > 0 && (k+i)%4 == 0 || strings.Contains(t, strings.Trim(p, `^$()\*+?`)) && t != "" {
				some = append(some, t)
			}
		}
		cases = append(cases, askRegex(p, some))
	}
	for range 1500 {
		var some []string
		for range 5 {
			some = append(some, randomText(r))
		}
		cases = append(cases, askRegex(randomPattern(r, 5), some))
	}
	deep := strings.Repeat("(", 999) + "a" + strings.Repeat(")", 999)
	cases = append(cases, askRegex(deep, []string{"a"}))
	deep = strings.Repeat("(", 1001) + "a" + strings.Repeat(")", 1001)
	cases = append(cases, askRegex(deep, []string{"a"}))
	fmt.Println("[")
	for i, c := range cases {
		c.Pattern, c.Error = escapeBytes(c.Pattern), escapeBytes(c.Error)
		for k := range c.Texts {
			if s, ok := c.Texts[k].(string); ok {
				c.Texts[k] = escapeBytes(s)
			}
		}
		fmt.Print(toJSON(c))
		if i+1 < len(cases) {
			fmt.Print(",")
		}
		fmt.Println()
	}
	fmt.Println("]")
}
