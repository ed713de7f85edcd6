package onecmd

// Flag is one that a command line may have.
type Flag struct {
	Short string // a letter, or nothing
	Long  string
	Value string // what follows it; nothing: it is given or not
	Env   string // the variable that sets it
	Usage string

	set func(o *options, value string) error
}

// question is a flag that asks for something instead of running a command.
type question uint8

const (
	forHelp question = iota
	forVersion
	forLicense
)

func (q question) Error() string { return "a question" }

func askHelp(*options, string) error    { return forHelp }
func askVersion(*options, string) error { return forVersion }
func askLicense(*options, string) error { return forLicense }

// flagError is a flag that is not known, or lacks its value, or must have none.
type flagError struct {
	flag string // with its dashes
	why  string
}

func (e *flagError) Error() string { return e.why + ": " + e.flag }

const (
	unknownFlag = "unknown flag"
	needsValue  = "a value is missing"
	takesNone   = "no value is taken"
)

// readFlags takes the flags off the front of args, in the way of getopt_long(3), and returns the rest. The first
// argument that is no flag ends them, as "--" does: what follows belongs to the command.
func (o *options) readFlags(flags []Flag, args []string) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return args[1:], nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			break
		}
		args = args[1:]
		if name, long := cutPrefix(arg, "--"); long {
			args, err = o.readLong(flags, name, args)
		} else {
			args, err = o.readShort(flags, arg[1:], args)
		}
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

// readLong reads --name, --name=value or --name value.
func (o *options) readLong(flags []Flag, text string, args []string) ([]string, error) {
	name, value, given := cut(text, '=')
	f := findLong(flags, name, o.dialect.abbreviates)
	switch {
	case f == nil:
		return nil, &flagError{"--" + name, unknownFlag}
	case f.Value == "" && given:
		return nil, &flagError{"--" + name, takesNone}
	case f.Value != "" && !given:
		if len(args) == 0 {
			return nil, &flagError{"--" + name, needsValue}
		}
		value, args = args[0], args[1:]
	}
	return args, f.apply(o, "--"+f.Long, value)
}

// findLong finds a flag by its name, or, where they may be abbreviated, by the beginning of the only one that fits.
func findLong(flags []Flag, name string, abbreviated bool) *Flag {
	var found *Flag
	for i := range flags {
		f := &flags[i]
		switch {
		case f.Long == "":
		case f.Long == name:
			return f
		case abbreviated && name != "" && hasPrefix(f.Long, name):
			if found != nil {
				return nil
			}
			found = f
		}
	}
	return found
}

// readShort reads -a, -abc, -pVALUE or -p VALUE.
func (o *options) readShort(flags []Flag, letters string, args []string) ([]string, error) {
	for i := range len(letters) {
		f, name := findShort(flags, letters[i:i+1]), "-"+letters[i:i+1]
		if f == nil {
			return nil, &flagError{name, unknownFlag}
		}
		if f.Value == "" {
			if err := f.apply(o, name, ""); err != nil {
				return nil, err
			}
			continue
		}
		value := letters[i+1:]
		if value == "" {
			if len(args) == 0 {
				return nil, &flagError{name, needsValue}
			}
			value, args = args[0], args[1:]
		}
		return args, f.apply(o, name, value)
	}
	return args, nil
}

func findShort(flags []Flag, letter string) *Flag {
	for i := range flags {
		if flags[i].Short == letter {
			return &flags[i]
		}
	}
	return nil
}

// valueError is a flag or variable with a value that it cannot have.
type valueError struct {
	name, value string
	why         error
}

func (e *valueError) Error() string { return e.name + " " + e.value + ": " + e.why.Error() }

// apply sets what the flag stands for. Its name is that under which it was given.
func (f *Flag) apply(o *options, name, value string) error {
	err := f.set(o, value)
	if _, asked := err.(question); err == nil || asked {
		return err
	}
	return &valueError{name, value, err}
}
