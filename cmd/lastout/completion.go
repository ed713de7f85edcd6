package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/help"
)

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "a script that completes lastout's verbs and flags in a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: "  bash: source <(lastout completion bash)\n" +
			"  zsh:  source <(lastout completion zsh), after compinit\n" +
			"  fish: lastout completion fish | source",
		Action: func(c *cli.Context) error {
			if c.Args().Len() != 1 {
				return usagef("completion needs a shell: bash, zsh or fish")
			}
			words := wordsOf(c.App)
			switch shell := c.Args().First(); shell {
			case "bash":
				return write(p.stdout, bashCompletion(words))
			case "zsh":
				return write(p.stdout, zshCompletion(words))
			case "fish":
				return write(p.stdout, fishCompletion(words))
			default:
				return usagef("unknown shell %q%s", shell, didYouMean(shell, []string{"bash", "zsh", "fish"}))
			}
		},
	}
}

// verbWords is what can follow a verb.
type verbWords struct {
	path  []string // demo worker
	usage string
	flags []flagWords
	args  []string // what its argument may be; nil: none
	files bool     // its argument is a file
	names bool     // its arguments are processes and instances
}

type flagWords struct {
	names  []string // with their dashes
	usage  string
	value  bool
	files  bool
	values []string // the only values there are
}

// wordsOf gathers the words of the whole command line, so that the scripts can never differ from it.
func wordsOf(app *cli.App) []verbWords {
	var all []verbWords
	for _, c := range app.Commands {
		if c.Hidden {
			continue
		}
		v := verbOf(c, c.Name)
		v.names = strings.Contains(c.ArgsUsage, "NAME...") || strings.Contains(c.ArgsUsage, "NAME=")
		for _, sub := range c.Subcommands {
			v.args = append(v.args, sub.Name)
		}
		switch c.Name {
		case "help":
			v.args = append(help.Topics(), verbs(app.Commands)...)
			slices.Sort(v.args)
			v.args = slices.Compact(v.args) // rehearse is both
		case "completion":
			v.args = []string{"bash", "zsh", "fish"}
		case "verify":
			v.files = true
		}
		all = append(all, v)
		for _, sub := range c.Subcommands {
			all = append(all, verbOf(sub, c.Name, sub.Name))
		}
	}
	return all
}

func verbOf(c *cli.Command, path ...string) verbWords {
	v := verbWords{path: path, usage: c.Usage}
	for _, f := range c.Flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if seen, hides := f.(cli.VisibleFlag); !ok || hides && !seen.IsVisible() {
			continue
		}
		w := flagWords{value: doc.TakesValue()}
		if _, choice, _ := strings.Cut(doc.GetUsage(), "`"); strings.Contains(choice, "|") {
			w.values = strings.Split(strings.TrimSuffix(choice, "`"), "|")
		}
		w.usage = strings.NewReplacer("`", "").Replace(doc.GetUsage())
		if s, ok := f.(*cli.StringFlag); ok {
			w.files = s.TakesFile
		}
		for _, n := range f.Names() {
			if len(n) > 1 {
				n = "-" + n
			}
			w.names = append(w.names, "-"+n)
		}
		v.flags = append(v.flags, w)
	}
	return v
}

// namesFunction asks lastout itself for the names of processes and instances: those of the tree that runs, or else of the
// configuration that the words of the line so far lead to.
const namesFunction = `_lastout_names() {
	local reach=() flag= word
	for word in "$@"; do
		case "$flag" in -c|--config|--socket) reach+=("$flag" "$word") ;; esac
		flag=$word
	done
	lastout names "${reach[@]}" 2>/dev/null
}
`

// fishNames is the same for fish.
const fishNames = `function __lastout_names
	set -l reach
	set -l flag
	for word in (commandline -opc)
		contains -- "$flag" -c --config --socket; and set -a reach $flag $word
		set flag $word
	end
	lastout names $reach 2>/dev/null
end
`

// bashCompletion knows verbs, flags and what follows them.
func bashCompletion(words []verbWords) string {
	var b strings.Builder
	b.WriteString("# bash completion for lastout\n" + namesFunction + "_lastout() {\n" +
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]}\n" +
		"\tCOMPREPLY=()\n\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n")
	fmt.Fprintf(&b, "\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n\t\treturn\n\tfi\n",
		strings.Join(topVerbs(words), " "))
	b.WriteString("\tcase \"$prev\" in\n")
	for _, f := range valueFlags(words) {
		reply := "-f"
		if len(f.values) > 0 {
			reply = "-W '" + strings.Join(f.values, " ") + "'"
		}
		fmt.Fprintf(&b, "\t%s) COMPREPLY=($(compgen %s -- \"$cur\")); return ;;\n", strings.Join(f.names, "|"), reply)
	}
	b.WriteString("\tesac\n\tlocal words=\n\tcase \"$verb ${COMP_WORDS[2]}\" in\n")
	for _, v := range deepestFirst(words) {
		list := strings.Join(slices.Concat(v.args, flagNames(v)), " ")
		if v.names {
			list += `'" $(_lastout_names "${COMP_WORDS[@]}")"'`
		}
		fmt.Fprintf(&b, "\t'%s'*) words='%s' ;;\n", strings.Join(v.path, " ")+" ", list)
	}
	b.WriteString("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n" +
		"\t[ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n" +
		"complete -o filenames -F _lastout lastout\n")
	return b.String()
}

// zshCompletion shows what each word is for.
func zshCompletion(words []verbWords) string {
	var b strings.Builder
	b.WriteString("#compdef lastout\n# zsh completion for lastout\n" + namesFunction + "_lastout() {\n\tlocal -a words_here\n" +
		"\tif (( CURRENT == 2 )); then\n\t\twords_here=(\n")
	for _, v := range words {
		if len(v.path) == 1 {
			fmt.Fprintf(&b, "\t\t\t%s\n", zshQuote(v.path[0]+":"+v.usage))
		}
	}
	b.WriteString("\t\t)\n\t\t_describe verb words_here\n\t\treturn\n\tfi\n\tcase \"$words[CURRENT-1]\" in\n")
	for _, f := range valueFlags(words) {
		action := "_files"
		if len(f.values) > 0 {
			action = "compadd " + strings.Join(f.values, " ")
		}
		fmt.Fprintf(&b, "\t%s) %s; return ;;\n", strings.Join(f.names, "|"), action)
	}
	b.WriteString("\tesac\n\tcase \"$words[2] $words[3]\" in\n")
	for _, v := range deepestFirst(words) {
		fmt.Fprintf(&b, "\t%s*) words_here=(", zshQuote(strings.Join(v.path, " ")+" "))
		for _, a := range v.args {
			b.WriteString(" " + zshQuote(a))
		}
		for _, f := range v.flags {
			for _, n := range f.names {
				b.WriteString(" " + zshQuote(n+":"+f.usage))
			}
		}
		if v.names {
			b.WriteString(` ${(f)"$(_lastout_names $words)"}`)
		}
		b.WriteString(" ) ;;\n")
	}
	b.WriteString("\tesac\n\t_describe word words_here || _files\n}\ncompdef _lastout lastout\n")
	return b.String()
}

// fishCompletion is a line for each word.
func fishCompletion(words []verbWords) string {
	var b strings.Builder
	b.WriteString("# fish completion for lastout\ncomplete -c lastout -f\n" + fishNames)
	for _, v := range words {
		parent, condition := "__fish_use_subcommand", "__fish_seen_subcommand_from "+v.path[len(v.path)-1]
		if len(v.path) > 1 {
			parent = "__fish_seen_subcommand_from " + v.path[0]
		}
		last := v.path[len(v.path)-1]
		fmt.Fprintf(&b, "complete -c lastout -n %s -a %s -d %s\n", fishQuote(parent), last, fishQuote(v.usage))
		for _, f := range v.flags {
			fmt.Fprintf(&b, "complete -c lastout -n %s%s -d %s\n", fishQuote(condition), fishFlag(f), fishQuote(f.usage))
		}
		if v.names {
			fmt.Fprintf(&b, "complete -c lastout -n %s -a '(__lastout_names)'\n", fishQuote(condition))
		}
		if len(v.args) > 0 && v.path[0] != "demo" {
			fmt.Fprintf(&b, "complete -c lastout -n %s -a %s\n", fishQuote(condition), fishQuote(strings.Join(v.args, " ")))
		}
		if v.files {
			fmt.Fprintf(&b, "complete -c lastout -n %s -F\n", fishQuote(condition))
		}
	}
	return b.String()
}

// fishFlag spells a flag's names and what follows it.
func fishFlag(f flagWords) string {
	text := ""
	for _, n := range f.names {
		if long, ok := strings.CutPrefix(n, "--"); ok {
			text += " -l " + long
		} else {
			text += " -s " + strings.TrimPrefix(n, "-")
		}
	}
	switch {
	case len(f.values) > 0:
		text += " -x -a " + fishQuote(strings.Join(f.values, " "))
	case f.files:
		text += " -r -F"
	case f.value:
		text += " -x"
	}
	return text
}

func topVerbs(words []verbWords) []string {
	var names []string
	for _, v := range words {
		if len(v.path) == 1 {
			names = append(names, v.path[0])
		}
	}
	return names
}

// valueFlags are the flags after which something of their own comes, each once.
func valueFlags(words []verbWords) []flagWords {
	var all []flagWords
	seen := map[string]bool{}
	for _, v := range words {
		for _, f := range v.flags {
			if (f.files || len(f.values) > 0) && !seen[f.names[0]] {
				seen[f.names[0]] = true
				all = append(all, f)
			}
		}
	}
	return all
}

// deepestFirst puts `demo worker` before `demo`, for the first pattern that fits wins.
func deepestFirst(words []verbWords) []verbWords {
	sorted := slices.Clone(words)
	slices.SortStableFunc(sorted, func(a, b verbWords) int { return len(b.path) - len(a.path) })
	return sorted
}

func flagNames(v verbWords) []string {
	var names []string
	for _, f := range v.flags {
		names = append(names, f.names...)
	}
	return names
}

func zshQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
