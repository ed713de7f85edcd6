package process

func helper(name string, args []string) int { return 99 }
