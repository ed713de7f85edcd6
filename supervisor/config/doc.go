// Package config reads lastout.toml into a checked model. It finds every fault at once, each with its file, its line
// and a suggestion; a configuration with a fault yields no model at all, so a bad file starts nothing.
//
// # The way of a file
//
// One schema table (Schema) says which keys there are, of which type, and which of them this build does not have yet:
// those are refused by name. The file is decoded to plain maps and walked against that table; an index of our own knows
// the line of every key, for the TOML library hides them. What comes out of the walk is known and of its type. Then
// [defaults] are laid below each process, and what is about several keys or processes is checked while the model is
// made: ways that exclude each other, ports, log files, and the graph.
//
// # Choices
//
// Included files hold processes (and notes) only, so that no setting depends on the order of reading. A relative path
// is relative to the folder of the file it is written in, and so is a process's working directory by default.
//
// A process that is not enabled has no instances in the model: its variables, env files and working directory need not
// be there. All else of it is checked, and it carries order.
//
// What [defaults] say is meant for those whom it suits: a way to be ready, or to be restarted always, is not for tasks,
// a pre_drain hook is for gateways. In a process's own table the same is a fault.
//
// Who has a drain table is drained before it is told to stop; who has none is not. A gateway turns new connections away
// first and settles when its workers are gone; a worker or service does neither, and its spare connections are left to
// its gateway. shutdown.linger is no option of the machine by itself: it is for who is PID 1.
//
// A preset lies below its process's own keys and above [defaults]: whoever names one wants that program's ways. Its drain
// is for gateways, and for others that have a drain table of their own; what it grants a stop is what the program takes
// at most, so that it is no fault of the user's when the whole shutdown has less. Programs are known by their name too,
// but without a preset only warned of.
//
// Strings expand {instance}, {name}, {port}, ${VAR}, ${VAR:-x} and $$. ${VAR} is looked up in the instance's
// environment as far as it is built (inherited, env_file, env, ours), then in lastout's own, so that clear_env can be
// combined with single variables that are passed on. `shell` and ready.log are taken as they are written.
//
// The command "lastout", without a slash, is the running binary.
package config
